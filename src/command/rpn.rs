//! `barejit rpn`: a relation over f64 in reverse Polish notation, term by term.

use super::relation::Request;
use crate::cli::{Arg, Cli, Outcome};
use barejit::front::rpn::Relation;
use barejit::host::number::{DECIMALS, Format};

const HELP: &str = "\
Usage: barejit rpn [OPTION…] [FILE]

Prints terms 0 to N of a relation over floating-point numbers in reverse Polish
notation: '(1) (2) +' is u(n) = u(n-1)+u(n-2). Tokens are numbers with sign and
exponent as you like; (k), the term k before; n, the index of the term; + - * /;
Q, the square root; and ~, which negates. A sign right before a number and not
right behind another token is the number's. Without -e, FILE or standard input has
the relation on its first line, 'INDEX:VALUE' on a line for each initial term, and
N on the last. Numbers print as the shortest text that reads back the same.

Options:
  -e RELATION       the relation; then --terms is needed
  --start X,X…      the initial terms, from term 0 on
  --terms N         the number of the last term
  --last            print the last term only
  --ir              print the relation after each pass of the compiler instead of
                    running it
  --precision P     print P decimals, 0 to 22, as printf does
";

pub(crate) fn run(cli: Cli) -> Outcome {
    let mut format = Format::Shortest;
    let request = Request::read(cli, HELP, &mut |cli, argument| {
        let known = argument == Arg::Long(b"precision");
        if known {
            let decimals = cli.number("--precision: ", 0, DECIMALS.into(), "not in 0 to 22");
            format = Format::Fixed(decimals as u32);
        }
        known
    });
    let read = match request.terms {
        None => Relation::parse_lines(request.text),
        Some(last) => {
            let initial = Relation::parse_initial(request.start.unwrap_or_default());
            let initial = initial.unwrap_or_else(|error| {
                request.cli.usage(format_args!("--start: byte {}: {error}", error.at + 1))
            });
            Relation::parse(request.text, initial).map(|relation| (relation, last))
        }
    };
    let (relation, last) = read.unwrap_or_else(|error| request.complain(error));
    request.print(&relation, last, "", format)
}
