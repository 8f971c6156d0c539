//! Operations to machine code.
//!
//! Law: wherever an instruction may be the first to touch a cell out of range,
//! the tape in memory is what plain code would have left, and a mark leads to the
//! command that plain code would be at. The flags of operations say where.

mod aside;
mod cells;
mod loops;

use super::abi::{LEFT, POINTER};
use super::cache::{Ahead, Cache};
use super::ir::{BALANCED, ENTERED, FAR, Ir, Kind, MAYBE, ONCE, Op, TOUCHES};
use super::place::Site;
use super::registers::{self, Home, REGISTERS, Region};
use super::scan::Scanners;
use super::stubs::{self, Stubs, TAPE_START};
use super::width::{self, Out};
use super::{Cells, Error, Options, Program};
use crate::front::Recorded;
use alloc::vec::Vec;
use aside::Aside;
use barejit_asm::{self as asm, *};
use loops::{Exit, Frame};

/// Code that stands behind the program.
enum Outline {
    /// Where code leaves because a touch would jump over a guard; from the base to the
    /// pointer at the site.
    Far { from: Label, site: u32, pointer: i32 },
    /// Where code goes if the cell of a probe is not on the tape.
    Edge { from: Label, back: Label, probe: Op },
    /// The rest of a scan, by vectors.
    Scan { from: Label, back: Label, scanner: Label, op: Op },
}

/// Whether code for `ops` is bound to touch `[at]`, and has changed nothing then.
fn touches_first(at: i32, ops: &[Op], cells: Cells) -> bool {
    for op in ops {
        return match op.kind {
            Kind::Nop => continue,
            Kind::Probe if !op.is(MAYBE) => continue,
            Kind::Add => op.at == at && cells.signed(op.b as u32) != 0,
            Kind::Set | Kind::Put | Kind::Get => op.at == at,
            Kind::Mul | Kind::Copy => op.at == at || op.b == at,
            Kind::Product => op.at == at || op.b == at || op.other_factor() == at,
            Kind::Open | Kind::Scan => op.at == at && !op.is(ENTERED),
            Kind::Close => op.at == at && op.is(BALANCED) && !op.is(ONCE),
            Kind::Probe | Kind::PutByte | Kind::Exit | Kind::Move => false,
        };
    }
    false
}

/// Where cells live.
const HOMES: [Gpr64; REGISTERS] = [RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15];

struct Emitter<'a, 'b> {
    out: Out<'a, 'b>,
    options: &'a Options,
    scanners: Scanners,
    /// All regions, in the order of their `Open`s.
    regions: &'a [Region],
    /// Cells that live in registers here.
    homes: &'a [Home],
    ir: &'a Ir,
    stubs: Stubs,
    frames: Vec<Frame>,
    /// Where the loop that ended last goes if it does not run, together with the
    /// one that follows, and what registers hold there.
    threaded: Option<(Label, Option<Cache>)>,
    /// Ways out of the loop that is being emitted.
    exits: Vec<Exit>,
    /// Bodies that are still to be emitted, out of the way.
    asides: Vec<Aside<'a>>,
    cache: Cache,
    /// What comes behind the operation that is being emitted.
    ahead: Ahead<'a>,
    outlines: Vec<Outline>,
}

/// Emits all of `ir`, to begin at `resume` if it is given.
#[inline(never)]
pub(super) fn emit(ir: &Ir, options: &Options, resume: Option<u32>) -> Result<Program, Error> {
    let records = usize::from(options.explain);
    let mut room = Needs { bytes: 2048, slots: 80, marks: 16, symbols: 0, relocations: 0, records };
    for op in &ir.ops {
        room.bytes += width::size(op, options.cells);
        let (slots, marks) = match op.kind {
            Kind::Open if op.is_seldom() => (5, 0),
            Kind::Open => (3, 0),
            Kind::Scan => (13, 2),
            Kind::Probe => (5, 1),
            Kind::Close => (0, 1),
            Kind::Exit => (3, 1),
            _ => (0, 0),
        };
        room.slots += slots;
        room.marks += marks + usize::from(ir.plain);
    }
    let regions = if options.passes.registers { registers::regions(ir) } else { Vec::new() };
    for region in &regions {
        room.bytes += 14 * region.homes().len();
    }
    if room.bytes > i32::MAX as usize {
        return Err(Error::TooLarge);
    }
    let mut sites = Vec::new();
    let code = Recorded::with_room("barejit_bf", room, &mut |a| {
        sites = emit_into(a, ir, &regions, options, resume);
        0
    });
    match code {
        Ok(code) => Ok(Program { code, sites, cells: options.cells, plain: ir.plain }),
        Err(asm::Error::Size) => Err(Error::TooLarge),
        Err(error) => error.raise(),
    }
}

#[inline(never)]
fn emit_into(
    a: &mut Asm<'_>,
    ir: &Ir,
    regions: &[Region],
    options: &Options,
    resume: Option<u32>,
) -> Vec<Site> {
    let stubs = stubs::enter(a, options);
    let mut emitter = Emitter {
        out: Out::new(a, options.cells),
        options,
        scanners: Scanners::default(),
        regions,
        homes: &[],
        ir,
        stubs,
        frames: Vec::new(),
        threaded: None,
        exits: Vec::new(),
        asides: Vec::new(),
        cache: Cache::EMPTY,
        ahead: Ahead { ops: &[], turned: Cache::EMPTY },
        outlines: Vec::new(),
    };
    match resume {
        Some(position) => emitter.program_from(position),
        None => emitter.operations(&ir.ops, ir.ops.len()),
    }
    emitter.end();
    emitter.out.sites
}

impl<'a> Emitter<'a, '_> {
    fn program_from(&mut self, position: u32) {
        let ir = self.ir;
        let first = ir.ops.partition_point(|op| op.c < position);
        let entry = self.out.a.label();
        self.out.a.jmp(entry);
        self.operations(&ir.ops, first);
        self.out.bind(entry);
        self.operations(&ir.ops[first..], ir.ops.len() - first);
    }

    #[inline(never)]
    fn end(&mut self) {
        self.emit_asides();
        self.out.a.xor_rr(EAX, EAX).jmp(self.stubs.leave);
        self.scanners.emit(self.out.a, self.options);
        while let Some(outline) = self.outlines.pop() {
            match outline {
                Outline::Far { from, site, pointer } => {
                    self.out.bind(from);
                    let pointer = self.out.address(pointer);
                    let a = &mut *self.out.a;
                    a.mov_rm(RCX, qword(RSP)).lea(RAX, pointer).mov_mr(qword(RCX).disp(POINTER), RAX);
                    a.mov_r64_imm64(RAX, (site as i64) << 8 | LEFT as i64).jmp(self.stubs.leave);
                }
                Outline::Edge { from, back, probe } => {
                    self.out.bind(from);
                    self.out.cmp_m(probe.b);
                    self.out.a.jcc(Cond::E, back);
                    // This faults.
                    self.first_touch(&probe, probe.b);
                    self.out.probe(probe.at);
                    self.out.a.jmp(back);
                }
                Outline::Scan { from, back, scanner, op } => {
                    let last = self.out.address(op.at);
                    let base = address(RAX).disp(-self.out.bytes(op.at));
                    self.out.bind(from);
                    self.out.a.lea(RAX, last).call(scanner).lea(RBX, base);
                    // Beyond the tape, this faults.
                    self.first_touch(&op, op.at);
                    self.out.probe(op.at);
                    self.out.a.jmp(back);
                }
            }
        }
    }

    #[inline(never)]
    fn outline(&mut self, code: Outline) {
        self.outlines.push(code);
    }

    /// Emits the first `count` of `ops`.
    fn operations(&mut self, ops: &'a [Op], count: usize) {
        let mut rest = ops;
        while rest.len() > ops.len() - count
            && let Some((op, behind)) = rest.split_first()
        {
            if self.frames.is_empty() && self.threaded.is_none() && !self.asides.is_empty() {
                self.emit_asides();
            }
            rest = behind;
            self.ahead.ops = behind;
            if !matches!(op.kind, Kind::Open | Kind::Scan)
                && let Some((end, passed)) = self.threaded.take()
            {
                self.end_loop(end, passed);
            }
            if self.options.explain && op.has_place() {
                self.out.mark(0, op.c, 0);
            }
            if op.flags & (TOUCHES | FAR) != 0 && self.ir.plain {
                self.first_touch(op, op.at);
            }
            if let Some(body) = self.aside(op, behind) {
                rest = &behind[body..];
            } else if op.kind == Kind::Open {
                // A balanced loop needs its probes only once.
                let is_probe = |op: &&Op| op.kind == Kind::Probe && !op.is(MAYBE);
                let probes = if op.is(BALANCED) { rest.iter().take_while(is_probe).count() } else { 0 };
                let (probes, behind) = rest.split_at_checked(probes).unwrap_or_default();
                let index = self.ir.ops.len() - 1 - behind.len() - probes.len();
                self.ahead.ops = behind;
                self.open(op, probes, index as u32);
                rest = behind;
            } else if op.kind == Kind::Probe && op.is(MAYBE) {
                let guarded = rest.iter().take_while(|op| op.kind == Kind::Mul && op.is(MAYBE)).count();
                let (guarded, behind) = rest.split_at_checked(guarded).unwrap_or_default();
                self.guard(op, guarded);
                rest = behind;
            } else if op.kind == Kind::Probe {
                self.probe(op, touches_first(op.at, rest, self.out.cells));
            } else {
                self.operation(op);
            }
        }
    }

    /// `later`: an instruction that comes soon touches the cell before anything has
    /// been changed, and is the probe.
    fn probe(&mut self, op: &Op, later: bool) {
        if self.cache.find(op.at).is_some() {
            return;
        }
        if !later || op.is(FAR) || !self.out.mark_until(op.at, op.c, op.b) {
            self.operation(op);
        }
    }

    /// Makes the next instruction the first touch of the operation's cell, or of
    /// none that exists; plain code has its pointer at `pointer` there.
    fn first_touch(&mut self, op: &Op, pointer: i32) {
        let site = self.out.sites.len() as u32;
        self.out.mark(op.at, op.c, pointer);
        if !op.is(FAR) {
            return;
        }
        let from = self.out.a.label();
        let cell = self.out.address(op.at);
        let a = &mut *self.out.a;
        a.lea(RAX, cell).sub_rm(RAX, qword(RSP).disp(TAPE_START));
        a.mov_ri(RCX, self.options.tape_bytes()).cmp_rr(RAX, RCX).jcc(Cond::Ae, from);
        self.outline(Outline::Far { from, site, pointer });
    }

    fn operation(&mut self, op: &Op) {
        let at = op.at;
        match op.kind {
            // Loops are opened together with their probes.
            Kind::Nop | Kind::Open => {}
            Kind::Probe => {
                self.first_touch(op, op.b);
                if !op.is(FAR) && self.operand(at, None).is_none() {
                    self.out.probe(at);
                }
            }
            Kind::Add => {
                let value = self.out.cells.signed(op.b as u32);
                if value == 0 && !self.ir.plain {
                    return;
                }
                match self.operand(at, None) {
                    Some(to) => {
                        self.out.add_ri(at, to, value);
                        self.changed(at, to);
                    }
                    None => self.out.add_mi(at, value),
                }
            }
            Kind::Set => {
                let value = self.out.cells.signed(op.b as u32);
                match self.home(at) {
                    Some(home) => self.out.mov_ri(home, value),
                    None => {
                        self.out.mov_mi(at, value);
                        self.become_known(at, value);
                    }
                }
            }
            Kind::Mul => self.mul(op),
            Kind::Copy => self.copy(op),
            Kind::Product => self.product(op),
            Kind::Put => {
                match self.operand(at, None) {
                    Some(held) => self.out.mov_rr(RAX, held),
                    None => self.out.load(RAX, at),
                }
                self.put(op);
            }
            Kind::PutByte => {
                self.out.a.mov_ri(AL, op.b as u8 as i64);
                self.put(op);
            }
            Kind::Get => {
                self.read(RAX, at);
                self.out.a.call(self.stubs.get);
                self.write(at, RAX);
            }
            Kind::Exit => self.exit(op),
            Kind::Close => self.close(op),
            Kind::Scan => self.scan(op),
            Kind::Move => self.out.shift(op.b),
        }
    }

    /// Puts AL as often as `op` says.
    #[inline(never)] // Two callers.
    fn put(&mut self, op: &Op) {
        for _ in 0..=op.d {
            self.out.a.call(self.stubs.put);
        }
    }

    /// Additions to cells of which `probe` may not exist; then they are nothing if
    /// their counter is zero. That is tested only where the tape ends.
    fn guard(&mut self, probe: &Op, additions: &[Op]) {
        // Both ways on must find it where it is.
        self.operand(probe.b, None);
        let (from, back) = (self.out.a.label(), self.out.a.label());
        let cell = self.out.address(probe.at);
        self.out.a.lea(RAX, cell).cmp_rm(RAX, qword(RSP).disp(TAPE_START)).jcc(Cond::B, from);
        for addition in additions {
            self.mul(addition);
        }
        self.out.bind(back);
        self.outline(Outline::Edge { from, back, probe: *probe });
    }
}
