//! A compiler of one expression to start from: `(x + 2) * x - 7` becomes machine code
//! while it is parsed, one pass, no tree, and runs at full speed for any x.
//!
//! The value of each subexpression is in a register of its own, the deeper the later in
//! `REGISTERS`; an expression that needs more is refused. Numbers are 64 bits and wrap.

use barejit_asm::{Alu, Asm, Gpr64, R8, R9, R10, R11, RAX, RCX, RDI, RDX, RSI, Tables};
use barejit_exec::{Guard, Memory, PageSize, Strategy};

/// Where values are; RDI has x. A function may destroy all of these (psABI, 3.2.1).
const REGISTERS: [Gpr64; 8] = [RAX, RCX, RDX, RSI, R8, R9, R10, R11];

/// A parser that emits.
struct Compiler<'t, 'a, 'b> {
    text: &'t str,
    asm: &'a mut Asm<'b>,
    /// How many registers hold values.
    depth: usize,
}

impl Compiler<'_, '_, '_> {
    fn peek(&mut self) -> Option<char> {
        self.text = self.text.trim_start();
        self.text.chars().next()
    }

    fn take(&mut self, wanted: char) -> bool {
        let taken = self.peek() == Some(wanted);
        if taken {
            self.text = &self.text[wanted.len_utf8()..];
        }
        taken
    }

    /// A register for one more value.
    fn push(&mut self) -> Result<Gpr64, String> {
        let register = REGISTERS.get(self.depth).ok_or("too deep: more than eight values at once")?;
        self.depth += 1;
        Ok(*register)
    }

    /// The last two registers, of which the second is free then.
    fn pop(&mut self) -> (Gpr64, Gpr64) {
        self.depth -= 1;
        (REGISTERS[self.depth - 1], REGISTERS[self.depth])
    }

    /// Terms with `+` or `-` between them.
    fn sum(&mut self) -> Result<(), String> {
        self.product()?;
        loop {
            let operation = match self.peek() {
                Some('+') => Alu::Add,
                Some('-') => Alu::Sub,
                _ => return Ok(()),
            };
            self.text = &self.text[1..];
            self.product()?;
            let (left, right) = self.pop();
            self.asm.alu_rr(operation, left, right);
        }
    }

    /// Factors with `*` between them.
    fn product(&mut self) -> Result<(), String> {
        self.factor()?;
        while self.take('*') {
            self.factor()?;
            let (left, right) = self.pop();
            self.asm.imul_rr(left, right);
        }
        Ok(())
    }

    /// A number, `x`, something in parentheses, or the negative of a factor.
    fn factor(&mut self) -> Result<(), String> {
        if self.take('(') {
            self.sum()?;
            return if self.take(')') { Ok(()) } else { Err(format!("no `)` before {:?}", self.text)) };
        }
        if self.take('-') {
            self.factor()?;
            self.asm.neg_r(REGISTERS[self.depth - 1]);
            return Ok(());
        }
        if self.take('x') {
            let register = self.push()?;
            self.asm.mov_rr(register, RDI);
            return Ok(());
        }
        let digits = self.text.len() - self.text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, rest) = self.text.split_at(digits);
        let number = number.parse().map_err(|_| format!("no number at {:?}", self.text))?;
        self.text = rest;
        let register = self.push()?;
        self.asm.mov_imm(register, number);
        Ok(())
    }
}

/// Emits `fn(x: i64) -> i64` for the expression `text`.
fn compile(text: &str, asm: &mut Asm<'_>) -> Result<(), String> {
    let mut compiler = Compiler { text, asm, depth: 0 };
    compiler.sum()?;
    if compiler.peek().is_some() {
        return Err(format!("more than an expression: {:?}", compiler.text));
    }
    asm.ret();
    Ok(())
}

/// Compiles and calls.
fn evaluate(text: &str, x: i64) -> Result<i64, String> {
    let mut bytes = vec![0; 16 * text.len() + 32];
    let mut asm = Asm::new(&mut bytes, Tables::none());
    compile(text, &mut asm)?;
    let code = asm.finish().map_err(|error| format!("{error:?}"))?;
    let run = || {
        let size = PageSize::needed(code.bytes().len())?;
        let mut memory = Memory::obtain(Strategy::WriteThenExecute, size, Guard::None)?;
        memory.load(&code);
        let memory = memory.seal()?;
        // SAFETY: (1) the bytes are what `compile` made, which takes and returns an
        // integer and uses registers that a function may destroy.
        let function = unsafe { memory.function::<extern "sysv64" fn(i64) -> i64>(code.entry()) };
        let value = function.call(x);
        memory.release()?;
        Ok(value)
    };
    run().map_err(|error: barejit_exec::Error| format!("{error:?}"))
}

fn main() {
    let mut words = std::env::args().skip(1);
    let text = words.next().unwrap_or_else(|| "(x + 2) * x - 7".into());
    let x = words.next().map_or(5, |word| word.parse().expect("a number for x"));
    match evaluate(&text, x) {
        Ok(value) => println!("{text} = {value} for x = {x}"),
        Err(why) => eprintln!("{text}: {why}"),
    }
}

#[test]
fn expressions_have_their_values() {
    assert_eq!(evaluate("(x + 2) * x - 7", 5), Ok(28));
    assert_eq!(evaluate("-(x - 3) * -x + 4294967296", 10), Ok(4_294_967_366));
    assert_eq!(evaluate("((((x))))", -1), Ok(-1));
    for wrong in ["", "x +", "(x", "x)", "x y", "99999999999999999999", "x+(x+(x+(x+(x+(x+(x+(x+x)))))))"] {
        assert!(evaluate(wrong, 1).is_err(), "{wrong}");
    }
}
