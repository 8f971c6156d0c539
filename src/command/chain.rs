//! `barejit chain`: a relation over 64-bit integers, term by term.

use super::relation::Request;
use crate::cli::{Arg, Cli, Outcome, integer};
use barejit::front::chain::Relation;
use barejit::host::number::Format;

const HELP: &str = "\
Usage: barejit chain [OPTION…] -e RELATION --start N --terms N
       barejit chain [OPTION…] [FILE]

Compiles a relation over 64-bit integers that wrap, and prints its terms 0 to N, one a
line. A relation is a list of operators, each with an integer behind it, that make the
next term from the one before. They are applied from left to right, without precedence:
'+2 *3 -5' is u(n+1) = (u(n)+2)*3-5. Spaces are optional.

Without -e the relation is the first line of FILE, and the second line is 'START N': term
0 and the number of the last term. Without FILE, or with -, standard input is read. An
integer is decimal with an optional sign, or a bit pattern behind 0x.

Exit status: 0 if all terms were printed; 1 if the system refused memory, input or output;
2 if an option or the relation is wrong; 3 if the code faulted, as --as-documented can.

Operators:
  + - *             sum, difference, product
  / %               quotient, rounded towards zero, and its remainder; not by 0
  & | ^             bitwise and, or, exclusive or
  < >               shift to the left, and to the right with copies of the sign, by
                    0 to 63 bits

Options:
  -e RELATION       the relation; --start and --terms are then needed
  --start N         term 0, an integer of 64 bits
  --terms N         the number of the last term, 0 to 9223372036854775807
  --last            print the last term only
  --ir              print the relation after each pass of the compiler instead of
                    running it
  --as-documented   compile each operator to a fixed sequence, and / to xor rdx, rdx
                    and idiv: + - * / only, and a negative dividend gives a wrong
                    quotient or SIGFPE
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
