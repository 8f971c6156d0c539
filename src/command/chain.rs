//! `barejit chain`: a relation over 64-bit integers, term by term.

use super::relation::Request;
use crate::cli::{Arg, Cli, Outcome, integer};
use barejit::front::chain::Relation;
use barejit::host::number::Format;

const HELP: &str = "\
Usage: barejit chain [OPTION…] [FILE]

Prints terms 0 to N of a relation that makes each term from the one before by a
chain of operators: '+2 *3 -5' is u(n+1) = (u(n)+2)*3-5. Integers have 64 bits
and wrap; operands are decimal or 0x hexadecimal, with an optional sign. The
operators are + - * / % ^ & | and, for shifts by 0 to 63, < and >; / and % round
towards zero, > keeps the sign. Without -e, FILE or standard input has the
relation on its first line and 'START N' on its second.

Options:
  -e RELATION       the relation; then --start and --terms are needed
  --start N         term 0
  --terms N         the number of the last term
  --last            print the last term only
  --ir              print the relation after each pass of the compiler instead of
                    running it
  --as-documented   the article's bytes: + - * / only, and wrong quotients or
                    SIGFPE for negative dividends
";

pub(crate) fn run(cli: Cli) -> Outcome {
    let mut as_documented = false;
    let request = Request::read(cli, HELP, &mut |_, argument| {
        let known = argument == Arg::Long(b"as-documented");
        as_documented |= known;
        known
    });
    let cli = &request.cli;
    let read = match (request.terms, request.start) {
        (None, _) => Relation::parse_lines(request.text),
        (Some(_), None) => cli.usage(format_args!("-e needs --start, the value of term 0")),
        (Some(last), Some(start)) => {
            let number = integer(start, 64);
            let number =
                number.unwrap_or_else(|| cli.invalid("--start: ", start, "not an integer of 64 bits"));
            Relation::parse(request.text, number).map(|relation| (relation, last))
        }
    };
    let documented = |(relation, last): (Relation, u64)| match as_documented {
        true => Ok((relation.as_documented()?, last)),
        false => Ok((relation, last)),
    };
    let (relation, last) = read.and_then(documented).unwrap_or_else(|error| request.complain(error));
    request.print(&relation, last, "Term ", Format::Integer)
}
