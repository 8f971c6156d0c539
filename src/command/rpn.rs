//! `barejit rpn`: a relation over f64 in reverse Polish notation, term by term.

use super::relation::Request;
use crate::cli::{Arg, Cli, Outcome};
use barejit::front::rpn::Relation;
use barejit::host::number::{DECIMALS, Format};

const HELP: &str = "\
Usage: barejit rpn [OPTION…] -e RELATION [--start X,X…] --terms N
       barejit rpn [OPTION…] [FILE]

Compiles a relation over floating-point numbers (f64), and prints its terms 0 to N, one a
line. A relation is in reverse Polish notation, operands before their operator:
'(1) (2) +' is u(n) = u(n-1)+u(n-2). A relation that goes back to (K) needs initial terms
0 to K-1; further ones may be given.

Without -e the relation is the first line of FILE, each initial term is a line
'INDEX:VALUE', in any order, and the last line is N, the number of the last term. Without
FILE, or with -, standard input is read.

Exit status: 0 if all terms were printed; 1 if the system refused memory, input or output;
2 if an option or the relation is wrong. No operation fails: a division by 0 is inf or
nan.

Tokens:
  X                 a number in decimal: digits, a point, an exponent behind e. A
                    sign right before it is part of it at the beginning of the
                    text or behind a space, and otherwise an operator
  (K)               the term K places before, K being 1 or more
  n                 the index of the term that is computed
  + - * /           sum, difference, product, quotient of two operands
  Q ~               square root and negation of one operand

Options:
  -e RELATION       the relation; --terms is then needed
  --start X,X…      the initial terms, from term 0 on; none by default
  --terms N         the number of the last term, 0 to 9223372036854775807
  --last            print the last term only
  --ir              print the relation after each pass of the compiler instead of
                    running it
  --precision P     print P decimals, 0 to 22, as printf does; by default the
                    shortest text that reads back as the same number
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
