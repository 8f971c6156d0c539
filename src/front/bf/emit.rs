//! Code generation: operations to machine code.
//!
//! One walk that emits each operation as it comes. Cells are in memory, in registers alone
//! in promoted loops, or in both by local register allocation. Code that is unlikely to
//! run goes out of line.
//!
//! Invariant: wherever an instruction may be the first to access a cell out of bounds, the
//! tape in memory is what baseline code would have left, and the instruction is a deopt
//! point. The operations' [`Access`] and the checks say where.
//!
//! The machine code is linear in the program, and so is the time.

mod arithmetic;
mod cold;
mod loops;
mod scan;

use super::bounds;
use super::bounds::emit::{self as checks, Outlined, Point};
use super::bounds::fuse::accesses_first;
use super::cells::{self, CellEmitter};
use super::deopt::DeoptTable;
use super::ir::{Access, Assigned, Ir, LoopFlags, Op, REGISTERS, split};
use super::local::{Cache, Lookahead};
use super::stubs::{self, Stubs};
use super::vector_scan::Scanners;
use super::{Error, Options, Program};
use crate::front::{Recorded, bug};
use alloc::vec::Vec;
use barejit_asm::{self as asm, *};
use cold::ColdBody;
use loops::{EarlyExit, LoopStack};

/// Code that stands behind the program.
enum Outline {
    Check(Outlined),
    /// The rest of a scan, by vectors.
    Scan {
        from: Label,
        back: Label,
        scanner: Label,
        cell: i32,
        position: u32,
    },
}

/// The registers that cells are assigned to.
const ASSIGNABLE: [Gpr64; REGISTERS] = [RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15];

struct Emitter<'a, 'b> {
    out: CellEmitter<'a, 'b>,
    options: &'a Options,
    scanners: Scanners,
    /// Scans that have been emitted.
    scans: usize,
    /// The cells of the promoted loop that is being emitted.
    assigned: &'a [Assigned],
    ir: &'a Ir,
    stubs: Stubs,
    loops: LoopStack,
    /// Jump threading: where the last loop goes if it does not run, together with the one
    /// that follows, and what registers hold there.
    threaded: Option<(Label, Option<Cache>)>,
    /// Early exits of the loop that is being emitted.
    exits: Vec<EarlyExit>,
    /// Bodies that are still to be emitted, out of line.
    cold: Vec<ColdBody<'a>>,
    cache: Cache,
    /// The operations behind the one that is being emitted.
    ahead: Lookahead<'a>,
    outlines: Vec<Outline>,
}

/// Emits all of `ir`, to be entered at the position `resume` if it is given.
pub(super) fn emit(ir: &Ir, options: &Options, resume: Option<u32>) -> Result<Program, Error> {
    let room = room(ir, options);
    let mut deopt_points = DeoptTable::default();
    let code = Recorded::with_room("barejit_bf", room, &mut |a| {
        deopt_points = emit_into(a, ir, options, resume);
        0
    });
    match code {
        Ok(code) => Ok(Program { code, deopt_points, cells: options.cells, is_baseline: ir.is_baseline }),
        Err(asm::Error::Size) => Err(Error::TooLarge),
        Err(error) => error.raise(),
    }
}

/// Room for the code: more than most programs need. Pages that are never written take none.
fn room(ir: &Ir, options: &Options) -> Needs {
    let records = usize::from(options.explain);
    let marks = records * ir.ops.len();
    let mut room = Needs { bytes: 2048, slots: 80, marks, symbols: 0, relocations: 0, records };
    let mut scans = 0;
    for op in ir.ops.iter() {
        let (bytes, slots) = match op {
            Op::Nop => (0, 0),
            Op::Open { .. } if op.is_unlikely() => (cells::LARGEST, 5),
            Op::Open { .. } => (cells::LARGEST, 2),
            Op::Exit { .. } => (cells::LARGEST, 3),
            Op::Scan { .. } => {
                scans += 1;
                if scans > scan::SCANS {
                    (cells::PLAIN_SCAN, 3)
                } else {
                    (cells::size(op, options.cells), 13)
                }
            }
            Op::Check { access: Access::MayFault, predicated: false, .. } => (cells::LARGEST, 0),
            Op::Check { .. } => (cells::LARGEST, 5),
            Op::Output { .. } | Op::OutputByte { .. } => (cells::size(op, options.cells), 0),
            _ => (cells::LARGEST, 0),
        };
        room.bytes += bytes;
        room.slots += slots;
    }
    for promoted in &ir.promoted {
        room.bytes += 14 * promoted.registers().len();
    }
    room.bytes = room.bytes.min(i32::MAX as usize);
    room
}

fn emit_into(a: &mut Asm<'_>, ir: &Ir, options: &Options, resume: Option<u32>) -> DeoptTable {
    let stubs = stubs::enter(a, options);
    let mut emitter = Emitter {
        out: CellEmitter::new(a, options.cells),
        options,
        scanners: Scanners::default(),
        scans: 0,
        assigned: &[],
        ir,
        stubs,
        loops: LoopStack::default(),
        threaded: None,
        exits: Vec::new(),
        cold: Vec::new(),
        cache: Cache::EMPTY,
        ahead: Lookahead { ops: &[], header: Cache::EMPTY },
        outlines: Vec::new(),
    };
    match resume {
        Some(position) => emitter.program_from(position),
        None => emitter.operations(&ir.ops, ir.ops.len()),
    }
    emitter.end();
    emitter.out.deopt_points
}

impl<'a> Emitter<'a, '_> {
    /// The whole program, entered at `position`.
    fn program_from(&mut self, position: u32) {
        let ir = self.ir;
        let first = bounds::first_from(&ir.ops, position);
        let entry = self.out.a.label();
        self.out.a.jmp(entry);
        self.operations(&ir.ops, first);
        self.out.bind(entry);
        self.operations(&ir.ops[first..], ir.ops.len() - first);
    }

    /// The end of the program, and the code out of line behind it.
    fn end(&mut self) {
        self.emit_cold();
        self.out.a.xor_rr(EAX, EAX).jmp(self.stubs.leave);
        self.scanners.emit(self.out.a, self.options);
        while let Some(outline) = self.outlines.pop() {
            match outline {
                Outline::Check(check) => self.mark(check.position()),
                Outline::Scan { position, .. } => self.mark(position),
            }
            match outline {
                Outline::Check(check) => check.emit(&mut self.out, self.stubs.leave),
                Outline::Scan { from, back, scanner, cell, position } => {
                    self.scan_by_vectors([from, back, scanner], cell, position);
                }
            }
        }
    }

    /// Marks the code that comes next as that of a command, if there is to be a source map.
    fn mark(&mut self, position: u32) {
        if self.options.explain {
            self.out.a.mark(position);
        }
    }

    /// Emits the first `count` of `ops`.
    fn operations(&mut self, ops: &'a [Op], count: usize) {
        let mut rest = ops;
        while rest.len() > ops.len() - count
            && let Some((op, behind)) = rest.split_first()
        {
            if !self.cold.is_empty() && self.loops.is_empty() && self.threaded.is_none() {
                self.emit_cold();
            }
            self.ahead.ops = behind;
            if self.threaded.is_some()
                && !matches!(op, Op::Open { .. } | Op::Scan { .. })
                && let Some((end, passed)) = self.threaded.take()
            {
                self.end_loop(end, passed);
            }
            if self.options.explain
                && let Some(position) = op.position()
            {
                self.out.a.mark(position);
            }
            rest = split(behind, self.operation(op, behind)).1;
        }
    }

    /// Emits one operation. Returns how many of those `behind` it were emitted with it.
    fn operation(&mut self, op: &Op, behind: &'a [Op]) -> usize {
        match *op {
            Op::Nop => {}
            Op::Open { .. } => return self.loop_start(op, behind),
            Op::Check { access, predicated: false, cell, pointer, position } => {
                let is_fused = accesses_first(cell, behind, self.out.cells);
                self.check(Point { access, cell, position, pointer }, is_fused);
            }
            Op::Check { predicated: true, cell, pointer, position, .. } => {
                let is_predicated = |op: &&Op| matches!(op, Op::MulAdd { predicated: true, .. });
                let count = behind.iter().take_while(is_predicated).count();
                self.predicated((cell, pointer, position), split(behind, count).0);
                return count;
            }
            Op::Add { access, cell, value, position } => {
                self.access_by(access, cell, position);
                self.add(cell, value);
            }
            Op::Set { cell, value, .. } => self.set(cell, value),
            Op::MulAdd { predicated, cell, source, factor } => {
                self.mul_add(predicated, cell, source, factor);
            }
            Op::Copy { cell, source, factor } => self.copy(cell, source, factor),
            Op::Product { right, cell, left, factor } => {
                self.product(cell, [left, left + i32::from(right)], factor);
            }
            Op::Output { access, repeats, cell, position } => {
                self.access_by(access, cell, position);
                match self.operand(cell, None) {
                    Some(held) => self.out.mov_rr(RAX, held),
                    None => self.out.load(RAX, cell),
                }
                self.put(repeats);
            }
            Op::OutputByte { byte, repeats, .. } => {
                self.out.a.mov_ri(AL, i64::from(byte));
                self.put(repeats);
            }
            Op::Input { access, cell, position } => {
                self.access_by(access, cell, position);
                self.read(RAX, cell);
                self.out.a.call(self.stubs.get);
                self.write(cell, RAX);
            }
            Op::Exit { .. } => self.exit(op),
            Op::Close { .. } => self.close(op),
            Op::Scan { .. } => self.scan(op),
            Op::Move { distance, .. } => self.out.move_pointer(distance),
        }
        0
    }

    /// Makes the next instruction a deopt point, if an operation of baseline code needs that.
    fn access_by(&mut self, access: Access, cell: i32, position: u32) {
        if access != Access::InBounds {
            self.deopt_point(Point { access, cell, position, pointer: cell });
        }
    }

    fn deopt_point(&mut self, point: Point) {
        let outlined = checks::deopt_point(&mut self.out, self.options.tape_bytes(), point);
        self.outlines.extend(outlined.map(Outline::Check));
    }

    /// A bounds check. `is_fused`: an instruction that comes soon accesses the cell before
    /// anything has changed, and can be the check.
    fn check(&mut self, point: Point, is_fused: bool) {
        let Point { access, cell, position, pointer } = point;
        if self.cache.find(cell).is_some() {
            return;
        }
        if is_fused && access != Access::Explicit && self.out.defer_check(cell, position, pointer) {
            return;
        }
        self.deopt_point(point);
        if access != Access::Explicit && self.operand(cell, None).is_none() {
            self.out.access(cell);
        }
    }

    /// Multiply-adds to cells that may not exist, behind their check.
    fn predicated(&mut self, (cell, counter, position): (i32, i32, u32), additions: &[Op]) {
        // Load the counter before the branch: both successors expect it in a register.
        self.operand(counter, None);
        let (back, outlined) = checks::predicated_check(&mut self.out, cell, counter, position);
        for addition in additions {
            let Op::MulAdd { predicated, cell, source, factor } = *addition else {
                bug!("only multiply-adds are predicated")
            };
            self.mul_add(predicated, cell, source, factor);
        }
        self.out.bind(back);
        self.outlines.push(Outline::Check(outlined));
    }

    /// Puts AL, and then as many times more.
    fn put(&mut self, repeats: u16) {
        for _ in 0..=repeats {
            self.out.a.call(self.stubs.put);
        }
    }

    /// The start of a loop: out of line, or with its checks, which a balanced loop needs
    /// only once.
    fn loop_start(&mut self, op: &Op, behind: &'a [Op]) -> usize {
        let Op::Open { access, flags, cell, position, .. } = *op else { bug!("not the start of a loop") };
        self.access_by(access, cell, position);
        if let Some(length) = self.outline_body(op, behind) {
            return length;
        }
        let is_balanced = flags.contains(LoopFlags::BALANCED);
        let checks = behind.iter().take_while(|op| is_balanced && op.is_plain_check()).count();
        let (checks, body) = split(behind, checks);
        let index = self.ir.ops.len() - 1 - behind.len();
        self.ahead.ops = body;
        self.open(op, checks, index as u32);
        checks.len()
    }
}
