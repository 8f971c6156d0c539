//! The engines: each is one function, in the order of how often people meet them.
//!
//! Their needs were seen by running them under strace(1) in each regime of
//! docs/engines.md, which says which of them were run, and in what version.

use super::Engine;
use super::Need::{Claims, NoMemfd, Obtains, Runs, Survives};
use super::Otherwise::Fails;
use crate::probe::strategies::Strategy::{
    AnonMprotectRwx, AnonRepatch, AnonRwx, AnonWx, HomeDual, MemfdDual, MemfdMprotect, Reserve512,
    Reserve1024, Reserve4096, ReserveCommit, ReserveRwx, SelfMem, ShmDual, TmpDual, TmpdirDual, VartmpDual,
};

macro_rules! engines {
    ($($engine:ident)*) => {
        /// How many there are.
        pub const COUNT: usize = [$(stringify!($engine)),*].len();

        /// The engine at this place. Compared and not looked up: pointers in a table would
        /// need relocating, on a page that every start then copies.
        ///
        /// # Panics
        /// If there is none.
        pub fn engine(place: usize) -> Engine {
            let mut left = place;
            $(
                if left == 0 {
                    let mut engine = Engine::NONE;
                    $engine(&mut engine);
                    return engine;
                }
                left -= 1;
            )*
            panic!("engine {place} of {COUNT}, {left} too many")
        }
    };
}
engines! {
    node node_26 deno chromium dotnet hotspot git pcre2 preg opcache libffi luajit wasmtime postgresql numba bun
    erlang ruby qemu qemu_user pypy spidermonkey firefox julia guile sbcl racket mono tcc
}

/// The message of V8 when mprotect(2) is refused.
const V8: &str = "Check failed: 12 == (*__errno_location ())";
/// Of a browser whose processes for pages end, while it waits for them.
const SILENT: &str = "pages never load, without a message";

fn node(engine: &mut Engine) {
    engine
        .is("Node.js", "20.20")
        .way(&[Obtains(Reserve512), Runs(ReserveRwx)])
        .fails(V8)
        .without(Obtains(Reserve512), "Failed to reserve virtual memory for CodeRange")
        .setting("NODE_OPTIONS=--jitless", "no WebAssembly, and fetch throws", &[Obtains(Reserve512)]);
}

fn node_26(engine: &mut Engine) {
    engine
        .is("Node.js 26", "26")
        .way(&[Obtains(Reserve1024), Runs(ReserveRwx)])
        .fails(V8)
        .without(Obtains(Reserve1024), "Fatal process out of memory")
        .setting("NODE_OPTIONS=--jitless", "no WebAssembly", &[Obtains(Reserve1024)]);
}

fn deno(engine: &mut Engine) {
    engine
        .is("Deno", "2.9")
        .way(&[Obtains(Reserve4096), Runs(ReserveRwx)])
        .fails(V8)
        .without(Obtains(Reserve4096), "Fatal process out of memory")
        .setting("--v8-flags=--jitless", "no WebAssembly", &[Obtains(Reserve4096)]);
}

fn chromium(engine: &mut Engine) {
    engine
        .is("Chromium", "156, headless")
        .way(&[Obtains(Reserve4096), Survives(MemfdDual), Runs(ReserveRwx)])
        .fails("Failed to reserve virtual memory for CodeRange")
        .without(Obtains(Reserve4096), "Trace/breakpoint trap")
        .killed(ReserveRwx, SILENT)
        .lied("Abnormal renderer termination")
        .setting("--js-flags=--jitless", "no WebAssembly", &[Obtains(Reserve4096), Survives(MemfdDual)]);
}

fn dotnet(engine: &mut Engine) {
    engine
        .is(".NET", "CoreCLR, not verified by running it")
        .way(&[Obtains(MemfdMprotect), Runs(MemfdMprotect)])
        .way(&[Runs(ReserveRwx)])
        .fails("Failed to create CoreCLR")
        .setting(
            "DOTNET_EnableWriteXorExecute=0",
            "code is writable and executable",
            &[Obtains(MemfdMprotect), Runs(ReserveRwx)],
        );
}

fn hotspot(engine: &mut Engine) {
    let memory = "-XX:+UseSerialGC -XX:CompressedClassSpaceSize=16m -XX:ReservedCodeCacheSize=32m -Xmx64m";
    engine
        .is("HotSpot", "17.0")
        .way(&[Claims(AnonMprotectRwx), Runs(AnonRwx), Obtains(Reserve1024)])
        .fails("Failed to mark memory page as executable")
        .without(Runs(AnonRwx), "There is insufficient memory for the Java Runtime Environment to continue")
        .without(Obtains(Reserve1024), "Error occurred during initialization of VM")
        .setting(memory, "small heaps only", &[Claims(AnonMprotectRwx), Runs(AnonRwx)]);
}

fn git(engine: &mut Engine) {
    engine.is("git grep -P", "2.39").way(&[Runs(AnonRwx)]).fails("Couldn't JIT the PCRE2 pattern").setting(
        "(*NO_JIT) at the head of the pattern",
        "slower matching",
        &[],
    );
}

fn pcre2(engine: &mut Engine) {
    engine
        .is("PCRE2", "10.42: grep -P, ripgrep -P, pcre2grep, git 2.40")
        .way(&[Runs(AnonRwx)])
        .degrades("matching takes several times as long, without a message")
        .setting("(*NO_JIT) at the head of the pattern", "slower matching", &[]);
}

fn preg(engine: &mut Engine) {
    engine
        .is("PHP preg", "8.2")
        .way(&[Runs(AnonRwx)])
        .degrades("Allocation of JIT memory failed, PCRE JIT will be disabled")
        .setting("pcre.jit=0", "slower matching", &[]);
}

fn opcache(engine: &mut Engine) {
    engine
        .is("PHP opcache", "8.2, its JIT switched on")
        .way(&[Runs(AnonRepatch)])
        .fails("mprotect() failed")
        .setting("opcache.jit=disable", "no JIT, which is the default", &[]);
}

fn libffi(engine: &mut Engine) {
    engine
        .is("libffi closures", "3.4.4: Python ctypes, bun:ffi, GObject")
        .each(&[AnonRwx, MemfdDual, TmpdirDual, TmpDual, VartmpDual, ShmDual, HomeDual])
        .fails("MemoryError");
}

fn luajit(engine: &mut Engine) {
    engine
        .is("LuaJIT", "2.1")
        .way(&[Runs(AnonWx), Runs(AnonRepatch)])
        .fails("runtime code generation failed, restricted kernel?")
        .setting("-joff", "the interpreter", &[]);
}

fn wasmtime(engine: &mut Engine) {
    engine.is("Wasmtime", "50").way(&[Runs(AnonWx)]).fails("failed to make memory executable").setting(
        "--target pulley64",
        "an interpreter",
        &[Survives(AnonWx)],
    );
}

fn postgresql(engine: &mut Engine) {
    engine
        .is("PostgreSQL", "15, queries above jit_above_cost")
        .way(&[Runs(AnonWx)])
        .fails("failed to look up symbol \"evalexpr_0_0\"")
        .setting("jit=off", "slower long queries", &[]);
}

fn numba(engine: &mut Engine) {
    engine.is("numba", "0.56, LLVM").way(&[Runs(AnonWx)]).fails("PermissionError");
}

fn bun(engine: &mut Engine) {
    engine
        .is("Bun", "1.4")
        .way(&[Obtains(Reserve1024), Runs(AnonRwx)])
        .degrades("some 13 times as slow, without a message; JSCallback of bun:ffi throws")
        .setting("BUN_JSC_useJIT=0", "the interpreter", &[]);
}

fn erlang(engine: &mut Engine) {
    engine
        .is("Erlang/OTP", "25")
        .way(&[Runs(MemfdDual), Obtains(Reserve1024)])
        .way(&[NoMemfd, Runs(TmpDual), Obtains(Reserve1024)])
        .way(&[Runs(AnonRwx), Obtains(Reserve1024)])
        .fails("jit: Cannot allocate executable memory")
        .without(Obtains(Reserve1024), "Failed to create super carrier")
        .under_qemu(Fails("Segmentation fault"));
}

fn ruby(engine: &mut Engine) {
    engine
        .is("Ruby YJIT", "3.1, switched on")
        .way(&[Runs(ReserveCommit)])
        .fails("Couldn't make JIT page")
        .setting("without --yjit", "no JIT, which is the default", &[]);
}

fn qemu(engine: &mut Engine) {
    let price = "none that is known";
    // It asks whether there are memory files, whether it needs one or not.
    engine
        .is("QEMU TCG", "7.2, system emulation")
        .way(&[Survives(MemfdDual), Obtains(Reserve1024), Runs(AnonMprotectRwx)])
        .fails("mprotect of jit buffer")
        .without(Obtains(Reserve1024), "for jit buffer: Cannot allocate memory")
        .setting("-accel tcg,split-wx=on", price, &[Obtains(Reserve1024), Runs(MemfdDual)])
        .setting(
            "-accel tcg,split-wx=on",
            price,
            &[Survives(MemfdDual), Obtains(Reserve1024), Runs(TmpDual)],
        );
}

fn qemu_user(engine: &mut Engine) {
    engine.is("QEMU user mode", "7.2").way(&[Runs(AnonMprotectRwx)]).fails("mprotect of jit buffer");
}

fn pypy(engine: &mut Engine) {
    engine.is("PyPy", "7.3").way(&[Runs(AnonRwx)]).fails("Aborted").setting(
        "--jit off",
        "the interpreter",
        &[],
    );
}

fn spidermonkey(engine: &mut Engine) {
    engine
        .is("SpiderMonkey", "102, the shell")
        .way(&[Obtains(Reserve1024), Runs(ReserveRwx), Runs(ReserveCommit)])
        .fails("Segmentation fault")
        .without(Obtains(Reserve1024), "js::jit::InitializeJit() failed")
        .setting("--no-jit-backend", "no WebAssembly", &[]);
}

fn firefox(engine: &mut Engine) {
    // The parent writes its code before it makes it executable; processes of pages map
    // theirs writable and executable.
    engine
        .is("Firefox", "153 ESR, headless")
        .way(&[
            Obtains(Reserve1024),
            Obtains(Reserve4096),
            Survives(MemfdDual),
            Runs(ReserveCommit),
            Runs(AnonRwx),
        ])
        .fails("Segmentation fault")
        .without(Runs(AnonRwx), "exited on signal 11")
        .without(Obtains(Reserve4096), SILENT);
}

fn julia(engine: &mut Engine) {
    engine
        .is("Julia", "its source, not verified by running it")
        .each(&[SelfMem, MemfdDual, ShmDual, TmpDual])
        .fails("cannot allocate");
}

fn guile(engine: &mut Engine) {
    engine.is("Guile", "3.0").way(&[Runs(AnonRwx)]).fails("Aborted").setting(
        "GUILE_JIT_THRESHOLD=-1",
        "the interpreter",
        &[],
    );
}

fn sbcl(engine: &mut Engine) {
    engine
        .is("SBCL", "2.2")
        .way(&[Runs(AnonRwx), Runs(AnonWx), Obtains(Reserve1024)])
        .fails("failed to allocate")
        .without(Runs(AnonWx), "fatal error encountered in SBCL")
        .without(Obtains(Reserve1024), "Can't allocate")
        .lied("CORRUPTION WARNING in SBCL");
}

fn racket(engine: &mut Engine) {
    engine
        .is("Racket", "8.7, Chez Scheme")
        .way(&[Runs(AnonRwx)])
        .fails("allocation failed for code; maybe write+execute permission is not allowed");
}

fn mono(engine: &mut Engine) {
    engine.is("Mono", "6.8").way(&[Runs(AnonRwx)]).fails("Segmentation fault");
}

fn tcc(engine: &mut Engine) {
    engine.is("tcc -run", "0.9.27").way(&[Runs(AnonMprotectRwx)]).fails("mprotect failed");
}
