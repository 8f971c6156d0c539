//! Operations to machine code.
//!
//! Law: wherever an instruction may be the first to touch a cell out of range,
//! the tape in memory is what plain code would have left, and a mark leads to the
//! command that plain code would be at. The flags of operations say where.

use super::abi::{LEFT, POINTER, TAPE};
use super::cache::{self, Cache};
use super::ir::{BALANCED, ENTERED, FAR, Ir, Kind, MAYBE, ONCE, Op, THREADED, TOUCHES};
use super::place::Site;
use super::registers::{self, Home, REGISTERS, Region};
use super::scan::Scanners;
use super::stubs::{self, Stubs};
use super::width::{self, Out, low};
use super::{Cells, Options, Program};
use crate::asm::*;
use crate::code::{Mark, Record};
use alloc::vec;
use alloc::vec::Vec;

/// Where code leaves because a touch would jump over a guard.
struct Far {
    from: Label,
    site: u32,
    /// From the base to the pointer at the site.
    pointer: i32,
}

/// Where code goes if the cell of a probe is not on the tape.
struct Edge {
    from: Label,
    back: Label,
    probe: Op,
}

/// Bytes of code of a loop's body at most, if there is no loop in it; more than any
/// if its end is elsewhere.
fn innermost(behind: &[Op], cells: Cells) -> Option<usize> {
    let mut bytes = 0;
    for op in behind {
        match op.kind {
            Kind::Close if op.flags & (FAR | THREADED) != 0 => return Some(usize::MAX),
            Kind::Close => return Some(bytes),
            Kind::Open => break,
            _ => bytes += width::size(op, cells),
        }
    }
    None
}

/// A loop that is being emitted.
#[derive(Clone, Copy)]
struct Frame {
    top: Label,
    end: Label,
    /// Whether its cells live in registers.
    region: bool,
    /// What registers hold where it is passed over, if it ever is.
    passed: Option<Cache>,
    /// What registers hold at its top.
    turned: Cache,
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
            Kind::Product => op.at == at || op.b == at || op.b + op.d as i32 == at,
            Kind::Open | Kind::Scan => op.at == at && !op.is(ENTERED),
            Kind::Close => op.at == at && op.is(BALANCED) && !op.is(ONCE),
            Kind::Probe | Kind::PutByte | Kind::Move => false,
        };
    }
    false
}

/// Where cells live.
const HOMES: [Gpr64; REGISTERS] = [RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15];

/// Cells that a scan looks at before it calls for vectors: most scans are over by
/// then.
const SCALAR_STEPS: i32 = 8;

struct Emitter<'a> {
    out: Out<'a>,
    options: &'a Options,
    scanners: Scanners,
    /// Regions that are still to come.
    regions: &'a [Region],
    /// Cells that live in registers here.
    homes: &'a [Home],
    ir: &'a Ir,
    /// Bytes on the tape.
    tape: u64,
    stubs: Stubs,
    frames: Vec<Frame>,
    /// Where the loop that ended last goes if it does not run, together with the
    /// one that follows, and what registers hold there.
    threaded: Option<(Label, Option<Cache>)>,
    cache: Cache,
    /// The operations behind the one that is being emitted.
    behind: &'a [Op],
    fars: Vec<Far>,
    /// Whether every operation gets a mark.
    explain: bool,
    edges: Vec<Edge>,
}

/// Emits all of `ir`, to begin at `resume` if it is given.
pub(super) fn emit(ir: &Ir, options: &Options, resume: Option<u32>) -> Option<Program> {
    let mut bytes = 2048;
    let mut slots = 80;
    let mut marks = 16;
    for op in &ir.ops {
        bytes += width::size(op, options.cells);
        match op.kind {
            Kind::Open => slots += 3,
            Kind::Scan => {
                slots += 6;
                marks += 2;
            }
            Kind::Probe => {
                marks += 1;
                slots += 5;
            }
            Kind::Close => marks += 1,
            Kind::Put | Kind::PutByte | Kind::Get => slots += 1,
            _ => {}
        }
    }
    if ir.plain {
        marks += ir.ops.len();
    }
    let mut records = usize::from(options.explain);
    let regions = if options.passes.registers { registers::regions(ir) } else { Vec::new() };
    for region in &regions {
        bytes += 14 * region.homes().len();
    }
    loop {
        if bytes > i32::MAX as usize {
            return None;
        }
        let mut code = vec![0; bytes];
        let mut table = vec![Mark::EMPTY; marks];
        let mut room = vec![Slot::EMPTY; slots];
        let mut notes = vec![Record::EMPTY; records];
        let tables = Tables { marks: &mut table, records: &mut notes, ..Tables::slots(&mut room) };
        let (done, sites) = emit_into(Asm::new(&mut code, tables), ir, &regions, options, resume);
        match done {
            Ok(needs) => {
                table.truncate(needs.marks);
                notes.truncate(needs.records);
                return Some(Program {
                    bytes: code,
                    size: needs.bytes,
                    marks: table,
                    records: notes,
                    sites,
                    cells: options.cells,
                    plain: ir.plain,
                });
            }
            Err(Error::Full(needs)) => {
                bytes = needs.bytes + 16;
                slots = needs.slots;
                marks = needs.marks;
                records = if options.explain { needs.records } else { 0 };
            }
            Err(_) => return None,
        }
    }
}

type Done = Result<Needs, Error>;

fn emit_into<'a>(
    mut a: Asm<'a>,
    ir: &'a Ir,
    regions: &'a [Region],
    options: &'a Options,
    resume: Option<u32>,
) -> (Done, Vec<Site>) {
    let stubs = stubs::enter(&mut a, options);
    let mut emitter = Emitter {
        out: Out::new(a, options.cells),
        options,
        scanners: Scanners::default(),
        regions,
        homes: &[],
        ir,
        tape: options.tape << options.cells as u32,
        stubs,
        frames: Vec::new(),
        threaded: None,
        cache: Cache::EMPTY,
        behind: &[],
        fars: Vec::new(),
        explain: options.explain,
        edges: Vec::new(),
    };
    match resume {
        Some(position) => emitter.program_from(position),
        None => emitter.operations(&ir.ops),
    }
    emitter.end();
    let Out { a, sites, .. } = emitter.out;
    let needs = a.needs();
    (a.finish().map(|_| needs), sites)
}

impl<'a> Emitter<'a> {
    fn program_from(&mut self, position: u32) {
        let ir = self.ir;
        let first = ir.ops.partition_point(|op| op.c < position);
        let entry = self.out.a.label();
        self.out.a.jmp(entry);
        self.operations(&ir.ops[..first]);
        self.out.a.bind(entry);
        self.operations(&ir.ops[first..]);
    }

    fn end(&mut self) {
        self.out.a.xor_rr(EAX, EAX).jmp(self.stubs.leave);
        self.scanners.emit(&mut self.out.a, self.options);
        for Edge { from, back, probe } in core::mem::take(&mut self.edges) {
            self.out.a.bind(from);
            self.out.cmp_m(probe.b);
            self.out.a.jcc(Cond::E, back);
            // This faults.
            self.first_touch(&probe, probe.b);
            self.out.probe(probe.at);
            self.out.a.jmp(back);
        }
        for Far { from, site, pointer } in core::mem::take(&mut self.fars) {
            self.out.a.bind(from);
            let pointer = self.out.address(pointer);
            let a = &mut self.out.a;
            a.mov_rm(RCX, qword(RSP)).lea(RAX, pointer).mov_mr(qword(RCX).disp(POINTER), RAX);
            a.mov_r64_imm64(RAX, (site as i64) << 8 | LEFT as i64).jmp(self.stubs.leave);
        }
    }

    fn operations(&mut self, ops: &'a [Op]) {
        let mut rest = ops;
        while let Some((op, behind)) = rest.split_first() {
            rest = behind;
            self.behind = behind;
            if !matches!(op.kind, Kind::Open | Kind::Scan)
                && let Some((end, passed)) = self.threaded.take()
            {
                self.end_loop(end, passed);
            }
            // What passes have made up has no place in the source.
            if self.explain && op.kind != Kind::Nop && (self.ir.plain || op.c != 0 && !op.kind.is_product()) {
                self.out.mark(0, op.c, 0);
            }
            if op.flags & (TOUCHES | FAR) != 0 && self.ir.plain {
                self.first_touch(op, op.at);
            }
            if op.kind == Kind::Open {
                // A balanced loop needs its probes only once.
                let is_probe = |op: &&Op| op.kind == Kind::Probe && !op.is(MAYBE);
                let probes = if op.is(BALANCED) { rest.iter().take_while(is_probe).count() } else { 0 };
                let (probes, behind) = rest.split_at(probes);
                let index = self.ir.ops.len() - 1 - behind.len() - probes.len();
                let innermost = innermost(behind, self.out.cells);
                self.behind = behind;
                self.open(op, probes, behind, index as u32, innermost);
                rest = behind;
            } else if op.kind == Kind::Probe && op.is(MAYBE) {
                let guarded = rest.iter().take_while(|op| op.kind == Kind::Mul && op.is(MAYBE)).count();
                let (guarded, behind) = rest.split_at(guarded);
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
        let a = &mut self.out.a;
        a.mov_rm(RCX, qword(RSP)).lea(RAX, cell).sub_rm(RAX, qword(RCX).disp(TAPE));
        a.mov_ri(RCX, self.tape as i64).cmp_rr(RAX, RCX).jcc(Cond::Ae, from);
        self.fars.push(Far { from, site, pointer });
    }

    fn operation(&mut self, op: &Op) {
        let at = op.at;
        match op.kind {
            Kind::Nop => {}
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
                        self.cache.forget(at);
                    }
                }
            }
            Kind::Mul => self.mul(op),
            Kind::Copy => self.copy(op),
            Kind::Product => self.product(op),
            Kind::Put => {
                self.operand(at, None);
                self.read(RAX, at);
                self.out.a.call(self.stubs.put);
            }
            Kind::PutByte => {
                self.out.a.mov_ri(AL, op.b as u8 as i64).call(self.stubs.put);
            }
            Kind::Get => {
                self.read(RAX, at);
                self.out.a.call(self.stubs.get);
                self.write(at, RAX);
            }
            Kind::Open => self.open(op, &[], &[], u32::MAX, None),
            Kind::Close => self.close(op),
            Kind::Scan => self.scan(op),
            Kind::Move => self.out.shift(op.b),
        }
    }

    /// Additions to cells of which `probe` may not exist; then they are nothing if
    /// their counter is zero. That is tested only where the tape ends.
    fn guard(&mut self, probe: &Op, additions: &[Op]) {
        // Both ways on must find it where it is.
        self.operand(probe.b, None);
        let (from, back) = (self.out.a.label(), self.out.a.label());
        let cell = self.out.address(probe.at);
        self.out.a.lea(RAX, cell).cmp_rm(RAX, qword(RSP).disp(stubs::TAPE_START)).jcc(Cond::B, from);
        for addition in additions {
            self.mul(addition);
        }
        self.out.a.bind(back);
        self.out.forget_flags();
        self.edges.push(Edge { from, back, probe: *probe });
    }

    /// The register that a cell lives in here, and memory does not have it.
    fn home(&self, at: i32) -> Option<Gpr64> {
        let index = self.homes.iter().position(|home| home.at == at)?;
        HOMES.get(index).copied()
    }

    /// The register that has a cell, whether memory has it too or not.
    fn held(&self, at: i32) -> Option<Gpr64> {
        self.home(at).or_else(|| HOMES.get(self.cache.find(at)?).copied())
    }

    /// A register, not `keep`, that is to hold a cell from now on because the code
    /// behind wants it.
    fn hold(&mut self, at: i32, keep: Option<Gpr64>) -> Option<Gpr64> {
        if !self.options.passes.registers || !self.homes.is_empty() || !cache::is_read_soon(at, self.behind) {
            return None;
        }
        let keep = HOMES.iter().position(|&register| Some(register) == keep);
        HOMES.get(self.cache.take(at, self.behind, keep)?).copied()
    }

    /// The register that has a cell: if none has, one that the code behind wants to.
    fn operand(&mut self, at: i32, keep: Option<Gpr64>) -> Option<Gpr64> {
        self.held(at).or_else(|| {
            let register = self.hold(at, keep)?;
            self.out.load(register, at);
            Some(register)
        })
    }

    /// A register that has `[at]` was changed. If what comes next changes it too, then
    /// memory can wait for that.
    fn changed(&mut self, at: i32, register: Gpr64) {
        let next = self.behind.iter().find(|op| op.kind != Kind::Nop);
        let again = |op: &Op| matches!(op.kind, Kind::Add | Kind::Mul) && op.at == at && !op.is(MAYBE);
        let waits = self.held(at) == Some(register) && next.is_some_and(again);
        if self.home(at).is_none() && !waits {
            self.out.store(at, register);
        }
    }

    /// `register = [at]`; the high bits are anything.
    fn read(&mut self, register: Gpr64, at: i32) {
        match self.held(at) {
            Some(held) => self.out.mov_rr(register, held),
            None => self.out.load(register, at),
        }
    }

    /// `[at] = register`
    fn write(&mut self, at: i32, register: Gpr64) {
        match self.home(at) {
            Some(home) => self.out.mov_rr(home, register),
            None => {
                self.out.store(at, register);
                self.cache.forget(at);
            }
        }
    }

    fn mul(&mut self, op: &Op) {
        let factor = self.out.cells.signed(op.c);
        let subtract = factor == -1;
        // What is not done on both ways changes no register's cell.
        let maybe = op.is(MAYBE);
        let mut from = if maybe { self.held(op.b) } else { self.operand(op.b, None) };
        let keep = from;
        if factor != 1 && !subtract {
            match from {
                Some(from) => self.out.scale(RAX, from, factor),
                None => {
                    self.out.load(RAX, op.b);
                    self.out.scale(RAX, RAX, factor);
                }
            }
            from = Some(RAX);
        }
        let to = if maybe { self.held(op.at) } else { self.operand(op.at, keep) };
        match (to, from) {
            (Some(to), Some(from)) => self.out.add_rr(op.at, to, from, subtract),
            (Some(to), None) => self.out.add_rm(op.at, to, op.b, subtract),
            (None, Some(from)) => return self.out.add_mr(op.at, from, subtract),
            (None, None) => {
                self.out.load(RAX, op.b);
                return self.out.add_mr(op.at, RAX, subtract);
            }
        }
        if let Some(to) = to {
            self.changed(op.at, to);
        }
    }

    fn copy(&mut self, op: &Op) {
        let factor = self.out.cells.signed(op.c);
        let from = self.operand(op.b, None);
        self.cache.forget(op.at);
        let to = self.home(op.at).or_else(|| self.hold(op.at, from));
        match (from, to) {
            (Some(from), None) if factor == 1 => return self.out.store(op.at, from),
            (Some(from), to) => self.out.scale(to.unwrap_or(RAX), from, factor),
            (None, to) => {
                let to = to.unwrap_or(RAX);
                self.out.load(to, op.b);
                self.out.scale(to, to, factor);
            }
        }
        self.changed(op.at, to.unwrap_or(RAX));
    }

    fn product(&mut self, op: &Op) {
        let factor = self.out.cells.signed(op.c);
        self.read(RAX, op.b);
        self.read(RCX, op.b + op.d as i32);
        self.out.a.imul_rr(low(RAX), low(RCX));
        self.out.scale(RAX, RAX, factor);
        match self.held(op.at) {
            Some(to) => {
                self.out.add_rr(op.at, to, RAX, false);
                self.changed(op.at, to);
            }
            None => self.out.add_mr(op.at, RAX, false),
        }
    }

    /// Sets the zero flag by a cell.
    fn test(&mut self, at: i32) {
        if self.out.knows_flags(at) {
            return;
        }
        match self.held(at) {
            Some(register) => self.out.test_r(at, register),
            None => self.out.cmp_m(at),
        }
    }

    /// The start of a loop, where it may be passed over: by a short jump, if so few
    /// bytes are in between. Gives a label for its end and what registers hold on the
    /// way there.
    fn pass_over(&mut self, op: &Op, body: Option<usize>) -> (Label, Option<Cache>) {
        let threaded = self.threaded.take();
        let (end, mut passed) = threaded.unwrap_or_else(|| (self.out.a.label(), None));
        if !op.is(ENTERED) {
            if op.kind == Kind::Open && !self.out.knows_flags(op.at) {
                self.operand(op.at, None);
            }
            self.test(op.at);
            // What aligns it, ends it and lets registers hold what they did before.
            let around = if op.kind == Kind::Open { 15 + 30 + 16 * self.cache.held() } else { 0 };
            if body.is_some_and(|body| body.saturating_add(around) <= 127) {
                self.out.a.jcc_short(Cond::E, end);
            } else {
                self.out.a.jcc(Cond::E, end);
            }
            passed.get_or_insert(self.cache).meet(self.cache);
        }
        (end, passed)
    }

    /// The end of a loop, which is also reached by passing it over.
    fn end_loop(&mut self, end: Label, passed: Option<Cache>) {
        self.out.a.bind(end);
        self.out.forget_flags();
        if let Some(passed) = passed {
            self.cache.meet(passed);
        }
    }

    fn open(&mut self, op: &Op, probes: &[Op], behind: &[Op], index: u32, innermost: Option<usize>) {
        let region = matches!(self.regions.first(), Some(region) if region.open == index);
        let body = innermost.filter(|_| probes.is_empty() && !region);
        let (end, passed) = self.pass_over(op, body);
        let homes = if region { self.regions.first().map(Region::homes) } else { None };
        for probe in probes {
            let loaded = |homes: &[Home]| homes.iter().any(|home| home.at == probe.at);
            self.probe(probe, homes.map_or_else(|| touches_first(probe.at, behind, self.out.cells), loaded));
        }
        if region && let Some((first, rest)) = self.regions.split_first() {
            for (home, &register) in first.homes().iter().zip(&HOMES) {
                self.out.load(register, home.at);
            }
            self.homes = first.homes();
            self.regions = rest;
        }
        if region {
            self.cache = Cache::EMPTY;
        } else if !op.is(ONCE) {
            // On the way back other cells of an unbalanced loop may not exist.
            let possible = |at| op.is(BALANCED) || at == op.at;
            self.cache.retain(|at| possible(at) && cache::is_read_soon(at, behind));
        }
        self.out.forget_flags();
        if innermost.is_some() && !op.is(ONCE) && self.options.passes.alignment {
            self.out.a.align_code(16);
        }
        let top = self.out.a.here();
        self.frames.push(Frame { top, end, region, passed, turned: self.cache });
    }

    fn close(&mut self, op: &Op) {
        let Some(Frame { top, end, region, passed, turned }) = self.frames.pop() else { return };
        if !self.ir.plain {
            self.out.shift(op.b);
            self.cache.shift(op.b);
            if op.is(TOUCHES) {
                self.first_touch(op, op.at);
            }
        }
        if !op.is(ONCE) {
            for (held, at) in self.cache.lacking(turned) {
                self.out.load(HOMES[held], at);
                self.cache.set(held, at);
            }
            self.test(op.at);
            self.out.a.jcc(Cond::Ne, top);
        }
        if region {
            for (home, &register) in core::mem::take(&mut self.homes).iter().zip(&HOMES) {
                if home.written {
                    self.out.store(home.at, register);
                }
            }
        }
        if op.is(ONCE)
            && let Some(passed) = passed
        {
            self.rejoin(op, passed);
        }
        if op.is(THREADED) {
            self.threaded = Some((end, passed));
            self.out.forget_flags();
        } else {
            self.end_loop(end, passed);
        }
    }

    /// At the end of what ran once: lets registers hold what they would if it had not
    /// run, where that is wanted.
    fn rejoin(&mut self, op: &Op, passed: Cache) {
        let probes = self.behind.iter().take_while(|op| matches!(op.kind, Kind::Nop | Kind::Probe));
        for (held, at) in self.cache.lacking(passed) {
            if !cache::is_read_soon(at, self.behind) {
                continue;
            }
            let probe = probes.clone().find(|probe| probe.at == at && probe.kind == Kind::Probe);
            match probe {
                Some(probe) if !probe.is(FAR | MAYBE) => self.first_touch(probe, probe.b),
                None if op.is(BALANCED) => {}
                _ => continue,
            }
            self.out.load(HOMES[held], at);
            self.cache.set(held, at);
        }
    }

    fn scan(&mut self, op: &Op) {
        let (end, _) = self.pass_over(op, Some(0));
        let stride = self.out.bytes(op.d as i32);
        let scanner = if self.options.avx2 { self.scanners.find(&mut self.out.a, stride) } else { None };
        if let Some(scanner) = scanner {
            let last = address(RBX).disp(stride.saturating_mul(SCALAR_STEPS));
            self.out.a.lea(RDX, last);
            let step = self.scan_step(op);
            self.out.a.jcc_short(Cond::E, end).cmp_rr(RBX, RDX).jcc(Cond::Ne, step);
            let next = address(RBX).disp(self.out.bytes(op.at) + stride);
            let back = address(RAX).disp(-self.out.bytes(op.at));
            self.out.a.lea(RAX, next).call(scanner).lea(RBX, back);
            // Beyond the tape, this faults.
            self.first_touch(op, op.at);
            self.out.probe(op.at);
        } else {
            let step = self.scan_step(op);
            self.out.a.jcc(Cond::Ne, step);
        }
        self.end_loop(end, Some(Cache::EMPTY));
        if let Some(register) = self.hold(op.at, None) {
            self.out.mov_ri(register, 0);
        }
    }

    /// One step of a scan: sets the zero flag by the next cell.
    fn scan_step(&mut self, op: &Op) -> Label {
        if self.options.passes.alignment {
            self.out.a.align_code(16);
        }
        let step = self.out.a.here();
        self.out.shift(op.d as i32);
        self.first_touch(op, op.at);
        self.out.cmp_m(op.at);
        step
    }
}
