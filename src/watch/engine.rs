//! Which engine a process runs, by the files that it has mapped: the shared objects and
//! executables that engines come in. Its settings are the probe's
//! knowledge.

use super::proc::Maps;
use super::stack::Asker;
use barejit_sys::piece;

/// Beginnings of file names, and behind each the engine's name as the probe has it. Of
/// several that fit the first counts: libraries before the programs that use them.
const FILES: &str = "libffi.so|libffi closures|libpcre2-8.so|PCRE2|libpcre2-16.so|PCRE2|\
    libpcre2-32.so|PCRE2|libluajit|LuaJIT|luajit|LuaJIT|opcache.so|PHP opcache|libnode.so|Node.js|\
    node|Node.js|deno|Deno|chrome|Chromium|chromium|Chromium|electron|V8|libv8|V8|libjvm.so|HotSpot|\
    libcoreclr.so|.NET|libclrjit.so|.NET|libmozjs|SpiderMonkey|js102|SpiderMonkey|libxul.so|Firefox|\
    beam.smp|Erlang/OTP|bun|Bun|libjavascriptcoregtk|JavaScriptCore|qemu-system-|QEMU TCG|\
    qemu-|QEMU user mode|libjulia|Julia|libpypy|PyPy|pypy|PyPy|libguile|Guile|guile|Guile|sbcl|SBCL|\
    racket|Racket|libmono|Mono|mono|Mono|libtcc|tcc -run|tcc|tcc -run|llvmjit.so|PostgreSQL|\
    libllvmlite.so|numba|libLLVM|LLVM|libruby|Ruby YJIT|ruby|Ruby YJIT|wasmtime|Wasmtime|\
    libwasmtime|Wasmtime|libgccjit|libgccjit|liborc-|Orc|";

/// The engine that comes in a file of this name.
fn named(file: &[u8]) -> Option<&'static str> {
    let mut place = 0;
    loop {
        let prefix = piece(FILES, b'|', place);
        if prefix.is_empty() {
            return None;
        }
        if file.starts_with(prefix.as_bytes()) {
            return Some(piece(FILES, b'|', place + 1));
        }
        place += 2;
    }
}

/// The engine that asked: by the file of the code that made the call or, if that says
/// nothing, by what the process has mapped executable. The file that shows it comes along.
pub(super) fn recognise<'a>(asker: Option<&'a Asker>, maps: &'a Maps) -> Option<(&'static str, &'a [u8])> {
    let last = |path: &'a str| path.rsplit('/').next().unwrap_or_default().as_bytes();
    let asking = asker.map(|asker| last(&asker.module)).and_then(|name| Some((named(name)?, name)));
    let mut code = maps.iter().filter(|mapping| mapping.is_executable() && mapping.is_file());
    match asking {
        // PHP uses the library in its own way.
        Some(("PCRE2", file)) if code.any(|mapping| mapping.name().starts_with(b"php")) => {
            Some(("PHP preg", file))
        }
        Some(asking) => Some(asking),
        None => code.find_map(|mapping| Some((named(mapping.name())?, mapping.name()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_are_known_by_their_files() {
        for (file, engine) in [
            ("libnode.so.115", Some("Node.js")),
            ("node", Some("Node.js")),
            ("libjvm.so", Some("HotSpot")),
            ("libpcre2-8.so.0.11.2", Some("PCRE2")),
            ("libffi.so.8.1.2", Some("libffi closures")),
            ("libluajit-5.1.so.2.1.0", Some("LuaJIT")),
            ("libc.so.6", None),
            ("", None),
        ] {
            assert_eq!(named(file.as_bytes()), engine, "{file}");
        }
    }
}
