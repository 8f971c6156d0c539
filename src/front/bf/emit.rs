//! Operations to machine code.
//!
//! Law: wherever an instruction may be the first to touch a cell out of range,
//! the tape in memory is what plain code would have left, and a mark leads to the
//! command that plain code would be at. Behind such an instruction its cell, and
//! all cells between it and another valid one, are *valid* until the base moves.

use super::abi::{GUARD, LEFT, POINTER, TAPE};
use super::ir::{BALANCED, ENTERED, Ir, Kind, ONCE, Op, Reach};
use super::place::Site;
use super::stubs::{self, Stubs};
use super::width::{self, Out, low};
use super::{Options, Program};
use crate::asm::*;
use crate::code::Mark;
use alloc::vec;
use alloc::vec::Vec;

/// Where code leaves because a touch would jump over a guard.
struct Far {
    from: Label,
    site: u32,
    /// From the base to the pointer at the site.
    pointer: i32,
}

/// A loop that is being emitted.
#[derive(Clone, Copy)]
struct Frame {
    top: Label,
    end: Label,
    number: u32,
}

struct Emitter<'a> {
    out: Out<'a>,
    ir: &'a Ir,
    /// Bytes on the tape.
    tape: u64,
    stubs: Stubs,
    valid: Reach,
    frames: Vec<Frame>,
    sites: Vec<Site>,
    fars: Vec<Far>,
}

/// Emits all of `ir`, to begin at `resume` if it is given.
pub(super) fn emit(ir: &Ir, options: &Options, resume: Option<u32>) -> Option<Program> {
    let mut bytes = 512;
    let mut slots = 32;
    let mut marks = 16;
    for op in &ir.ops {
        bytes += width::size(op.kind);
        match op.kind {
            Kind::Open => {
                slots += 4;
                if !op.is(BALANCED) {
                    bytes += 32;
                    marks += 5;
                }
            }
            Kind::Scan => {
                slots += 4;
                marks += 3;
            }
            Kind::Put | Kind::PutByte | Kind::Get => slots += 1,
            _ => {}
        }
    }
    if ir.plain {
        marks += ir.ops.len();
    }
    loop {
        if bytes > i32::MAX as usize {
            return None;
        }
        let mut code = vec![0; bytes];
        let mut table = vec![Mark::EMPTY; marks];
        let mut room = vec![Slot::EMPTY; slots];
        let tables = Tables { marks: &mut table, ..Tables::slots(&mut room) };
        let (done, sites) = emit_into(Asm::new(&mut code, tables), ir, options, resume);
        match done {
            Ok((size, marks)) => {
                table.truncate(marks);
                return Some(Program {
                    bytes: code,
                    size,
                    marks: table,
                    sites,
                    cells: options.cells,
                    plain: ir.plain,
                });
            }
            Err(Error::Full(needs)) => {
                bytes = needs.bytes + 16;
                slots = needs.slots;
                marks = needs.marks;
            }
            Err(_) => return None,
        }
    }
}

type Done = Result<(usize, usize), Error>;

fn emit_into<'a>(mut a: Asm<'a>, ir: &'a Ir, options: &Options, resume: Option<u32>) -> (Done, Vec<Site>) {
    let stubs = stubs::enter(&mut a, options);
    let last = i32::try_from(options.tape - 1).unwrap_or(i32::MAX);
    let mut emitter = Emitter {
        out: Out::new(a, options.cells),
        ir,
        tape: options.tape << options.cells as u32,
        stubs,
        valid: Reach { low: 0, high: last },
        frames: Vec::new(),
        sites: Vec::new(),
        fars: Vec::new(),
    };
    match resume {
        Some(position) => emitter.program_from(position),
        None => {
            emitter.stretch(ir.start, 0, 0);
            emitter.operations(&ir.ops);
        }
    }
    emitter.end();
    let Emitter { out, sites, .. } = emitter;
    let needs = out.a.needs();
    (out.a.finish().map(|code| (code.bytes().len(), needs.marks)), sites)
}

impl Emitter<'_> {
    fn program_from(&mut self, position: u32) {
        let ir = self.ir;
        let first = ir.ops.partition_point(|op| op.c < position);
        let entry = self.out.a.label();
        self.out.a.jmp(entry);
        self.operations(&ir.ops[..first]);
        self.out.a.bind(entry);
        // The pointer may be anywhere.
        self.valid = Reach::NONE;
        self.operations(&ir.ops[first..]);
    }

    fn end(&mut self) {
        self.out.a.xor_rr(EAX, EAX).jmp(self.stubs.leave);
        for Far { from, site, pointer } in core::mem::take(&mut self.fars) {
            self.out.a.bind(from);
            let pointer = self.out.cell(pointer);
            let a = &mut self.out.a;
            a.mov_rm(RCX, qword(RSP)).lea(RAX, pointer).mov_mr(qword(RCX).disp(POINTER), RAX);
            a.mov_r64_imm64(RAX, (site as i64) << 8 | LEFT as i64).jmp(self.stubs.leave);
        }
    }

    fn operations(&mut self, ops: &[Op]) {
        for op in ops {
            if self.ir.plain {
                self.touch(op);
            }
            self.operation(op);
        }
    }

    /// Makes the next instruction of a plain operation the first touch of its
    /// cell, if it touches.
    fn touch(&mut self, op: &Op) {
        if !matches!(op.kind, Kind::Nop | Kind::Move) {
            self.first_touch(op.at, op.c, op.at, false);
        }
    }

    /// Sees to it that `[at]` may be touched from here on, while plain code would
    /// be at `position` with its pointer at `pointer`. The touch itself is the
    /// next instruction, unless `probe` asks for one of its own.
    fn first_touch(&mut self, at: i32, position: u32, pointer: i32, probe: bool) {
        if self.valid.has(at) {
            return;
        }
        let site = self.sites.len() as u32;
        // Distances from any valid cell to this one that cannot pass a guard.
        let step = GUARD as i64 >> self.out.cells as u32;
        let Reach { low: first, high: last } = self.valid;
        let near =
            !self.valid.is_empty() && (at as i64) > first as i64 - step && (at as i64) < last as i64 + step;
        self.sites.push(Site { position, delta: self.out.bytes(pointer - at) });
        if near {
            self.out.a.mark(site);
            if probe {
                self.out.probe(at);
            }
        } else {
            let from = self.out.a.label();
            let cell = self.out.cell(at);
            let a = &mut self.out.a;
            a.mov_rm(RCX, qword(RSP)).lea(RAX, cell).sub_rm(RAX, qword(RCX).disp(TAPE));
            a.mov_ri(RCX, self.tape as i64).cmp_rr(RAX, RCX).jcc(Cond::Ae, from);
            self.fars.push(Far { from, site, pointer });
        }
        self.valid.join(at);
    }

    /// Probes a stretch that begins here, where plain code is at `position` with
    /// its pointer at `pointer`.
    fn stretch(&mut self, reach: Reach, position: u32, pointer: i32) {
        if !self.ir.plain && !reach.is_empty() {
            self.first_touch(reach.low, position, pointer, true);
            self.first_touch(reach.high, position, pointer, true);
        }
    }

    fn operation(&mut self, op: &Op) {
        let at = op.at;
        match op.kind {
            Kind::Nop => {}
            Kind::Add => {
                if op.b != 0 || self.ir.plain {
                    let value = self.out.cells.signed(op.b as u32);
                    self.out.add_mi(at, value);
                }
            }
            Kind::Set => {
                let value = self.out.cells.signed(op.b as u32);
                self.out.mov_mi(at, value);
            }
            Kind::Mul => self.mul(op),
            Kind::Copy => self.copy(op),
            Kind::Product => self.product(op),
            Kind::Put => {
                self.out.load(RAX, at);
                self.out.a.call(self.stubs.put);
            }
            Kind::PutByte => {
                self.out.a.mov_ri(AL, op.b as u8 as i64).call(self.stubs.put);
            }
            Kind::Get => {
                self.out.load(RAX, at);
                self.out.a.call(self.stubs.get);
                self.out.store(at, RAX);
            }
            Kind::Open => self.open(op),
            Kind::Close => self.close(op),
            Kind::Scan => self.scan(op),
            Kind::Move => {
                self.out.shift(op.b);
                self.valid = self.valid.shifted(op.b);
            }
        }
    }

    fn mul(&mut self, op: &Op) {
        let factor = self.out.cells.signed(op.c);
        self.out.load(RAX, op.b);
        if factor.unsigned_abs() != 1 {
            self.out.scale(RAX, RAX, factor);
        }
        self.out.add_mr(op.at, RAX, factor == -1);
    }

    fn copy(&mut self, op: &Op) {
        let factor = self.out.cells.signed(op.c);
        self.out.load(RAX, op.b);
        self.out.scale(RAX, RAX, factor);
        self.out.store(op.at, RAX);
    }

    fn product(&mut self, op: &Op) {
        let factor = self.out.cells.signed(op.c);
        self.out.load(RAX, op.b);
        self.out.load(RCX, op.b + op.d as i32);
        self.out.a.imul_rr(low(RAX), low(RCX));
        self.out.scale(RAX, RAX, factor);
        self.out.add_mr(op.at, RAX, false);
    }

    /// Sets the zero flag by a cell.
    fn test(&mut self, at: i32) {
        if !self.out.knows_flags(at) {
            self.out.cmp_m(at);
        }
    }

    fn open(&mut self, op: &Op) {
        let end = self.out.a.label();
        if !op.is(ENTERED) {
            self.test(op.at);
            self.out.a.jcc(Cond::E, end);
        }
        let top = self.out.a.here();
        self.frames.push(Frame { top, end, number: op.b as u32 });
        if !op.is(BALANCED) {
            self.valid = Reach::cell(op.at);
            if let Some(known) = self.ir.loops.get(op.b as usize) {
                self.stretch(known.body, op.c + 1, op.at);
            }
        }
    }

    fn close(&mut self, op: &Op) {
        let Some(Frame { top, end, number }) = self.frames.pop() else { return };
        if !self.ir.plain {
            self.out.shift(op.b);
            self.valid = self.valid.shifted(op.b);
            self.first_touch(op.at, op.c, op.at, false);
        }
        if !op.is(ONCE) {
            self.test(op.at);
            self.out.a.jcc(Cond::Ne, top);
        }
        self.out.a.bind(end);
        if !op.is(BALANCED) {
            self.valid = Reach::cell(op.at);
            if let Some(known) = self.ir.loops.get(number as usize) {
                self.stretch(known.after, op.c + 1, op.at);
            }
        }
    }

    fn scan(&mut self, op: &Op) {
        let end = self.out.a.label();
        self.test(op.at);
        self.out.a.jcc(Cond::E, end);
        let top = self.out.a.here();
        self.out.shift(op.d as i32);
        self.valid = Reach::cell(op.at).shifted(op.d as i32);
        self.first_touch(op.at, op.c, op.at, false);
        self.out.cmp_m(op.at);
        self.out.a.jcc(Cond::Ne, top).bind(end);
        self.valid = Reach::cell(op.at);
        if let Some(known) = self.ir.loops.get(op.b as usize) {
            self.stretch(known.after, op.c + 1, op.at);
        }
    }
}
