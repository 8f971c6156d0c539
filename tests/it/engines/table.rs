//! The engines that are run: for each the line of the probe that it checks, what to run, and
//! the same with the setting that the probe names.

/// An engine as it is run.
pub(super) struct Engine {
    /// The name in the probe's report.
    pub(super) line: &'static str,
    /// The program, a name of its own if several check one line.
    pub(super) what: &'static str,
    /// The command that says its version.
    pub(super) version: &'static str,
    /// A shell command that prints OK if the engine has done its work.
    pub(super) run: &'static str,
    /// The same with a setting of the probe's table.
    pub(super) cured: &'static str,
    /// For those that `make test` runs, being small and common: what the version must
    /// contain for the line to be about it.
    pub(super) common: Option<&'static str>,
}

/// A loop that is hot in any JavaScript.
macro_rules! javascript {
    ($print:literal) => {
        concat!(
            "function f(n){let s=0;for(let i=0;i<n;i++)s=(s+i*i)|0;return s}",
            "let r=0;for(let k=0;k<300;k++)r=(r+f(20000))|0;",
            $print,
            "(\"OK\")"
        )
    };
}

macro_rules! npm {
    ($program:literal) => {
        concat!(env!("CARGO_MANIFEST_DIR"), "/target/engines/node_modules/.bin/", $program)
    };
}

/// PHP on a file with a hot function: its JIT does not compile code from the command line.
macro_rules! php {
    () => {
        concat!(
            "printf '<?php function f($n){$s=0;for($i=0;$i<$n;$i++)$s+=$i;return $s;}",
            "for($k=0;$k<300;$k++)f(9999);echo \"OK\";' > hot.php; ",
            "php -d opcache.enable_cli=1 -d opcache.file_update_protection=0 ",
            "-d opcache.jit_buffer_size=16M -d opcache.jit="
        )
    };
}

/// PostgreSQL's server with a setting, on a cluster that `make engines` has made, for one
/// query, whose plan must have this line.
macro_rules! postgres {
    ($setting:literal, $line:literal) => {
        concat!(
            "rm -f ",
            cluster!(),
            "/postmaster.pid; ",
            "echo 'explain (analyze) select sum(g * 2 + 1) from generate_series(1, 100) g' | ",
            as_postgres!(),
            " --single -F -D ",
            cluster!(),
            " -c jit=",
            $setting,
            " -c jit_above_cost=0 postgres > said 2>&1; cat said; grep -q '",
            $line,
            "' said && echo OK"
        )
    };
}

macro_rules! cluster {
    () => {
        concat!(env!("CARGO_MANIFEST_DIR"), "/target/engines/postgresql")
    };
}

/// The server refuses to run as root.
macro_rules! as_postgres {
    () => {
        "setpriv --reuid=postgres --regid=postgres --clear-groups /usr/lib/postgresql/*/bin/postgres"
    };
}

/// Chromium with a setting, on a page whose script writes the mark: in a file of its own, since
/// the page is printed.
macro_rules! chromium {
    ($setting:literal) => {
        concat!(
            "echo '",
            javascript!("document.write"),
            "' > hot.js; echo '<script src=hot.js></script>' > hot.html; ",
            "rm -rf chromium; HOME=$PWD timeout -k 1 20 chromium --headless --no-sandbox --disable-gpu --no-first-run ",
            "--user-data-dir=$PWD/chromium ",
            $setting,
            " --dump-dom file://$PWD/hot.html"
        )
    };
}

/// Python with the modules of PyPI.
macro_rules! modules {
    () => {
        concat!("PYTHONPATH=", env!("CARGO_MANIFEST_DIR"), "/target/engines/py python3")
    };
}

/// A WebAssembly module that is compiled and called, with this setting.
macro_rules! wasmtime {
    ($setting:literal) => {
        concat!(
            modules!(),
            " -c 'import wasmtime; c = wasmtime.Config(); ",
            $setting,
            "e = wasmtime.Engine(c); m = wasmtime.Module(e, ",
            "\"(module (func (export \\\"f\\\") (result i32) i32.const 7))\"); s = wasmtime.Store(e); ",
            "print(\"OK\" if wasmtime.Instance(s, m, []).exports(s)[\"f\"](s) == 7 else \"\")'"
        )
    };
}

/// All of them.
pub(super) const ENGINES: &[Engine] = &[
    Engine {
        line: "Node.js",
        what: "node",
        version: "/usr/bin/node --version",
        run: concat!("/usr/bin/node -e '", javascript!("console.log"), "'"),
        cured: concat!("NODE_OPTIONS=--jitless /usr/bin/node -e '", javascript!("console.log"), "'"),
        common: None,
    },
    Engine {
        line: "Node.js 26",
        what: "node 26",
        version: concat!(npm!("node"), " --version"),
        run: concat!(npm!("node"), " -e '", javascript!("console.log"), "'"),
        cured: concat!("NODE_OPTIONS=--jitless ", npm!("node"), " -e '", javascript!("console.log"), "'"),
        common: None,
    },
    Engine {
        line: "Deno",
        what: "deno",
        version: concat!(npm!("deno"), " --version"),
        run: concat!("NO_COLOR=1 ", npm!("deno"), " eval '", javascript!("console.log"), "'"),
        cured: concat!(
            "NO_COLOR=1 ",
            npm!("deno"),
            " eval --v8-flags=--jitless '",
            javascript!("console.log"),
            "'"
        ),
        common: None,
    },
    Engine {
        line: "Chromium",
        what: "chromium",
        version: "chromium --version",
        run: chromium!(""),
        cured: chromium!("--js-flags=--jitless"),
        common: None,
    },
    Engine {
        line: "Firefox",
        what: "firefox-esr",
        version: "firefox-esr --version",
        // The script makes the page 4,096 pixels high, which the picture's header tells.
        run: concat!(
            "echo '",
            javascript!("document.title="),
            ";document.body.style=\"margin:0;height:4096px\"' > hot.js; ",
            "echo '<!DOCTYPE html><body><script src=hot.js></script>' > hot.html; rm -rf hot.png firefox; ",
            "mkdir firefox; HOME=$PWD MOZ_CRASHREPORTER_DISABLE=1 timeout -k 1 25 firefox-esr --headless --no-remote ",
            "--profile $PWD/firefox --screenshot $PWD/hot.png file://$PWD/hot.html || exit; ",
            "od -An -tu1 -j20 -N4 hot.png | grep -q '^ *0 *0 *16 *0$' && echo OK"
        ),
        cured: "",
        common: None,
    },
    Engine {
        line: "Bun",
        what: "bun",
        version: concat!(npm!("bun"), " --version"),
        run: concat!(npm!("bun"), " -e '", javascript!("console.log"), "'"),
        cured: concat!("BUN_JSC_useJIT=0 ", npm!("bun"), " -e '", javascript!("console.log"), "'"),
        common: None,
    },
    Engine {
        line: "SpiderMonkey",
        what: "js102",
        version: "js102 --version",
        run: concat!("js102 -e '", javascript!("print"), "'"),
        cured: concat!("js102 --no-jit-backend -e '", javascript!("print"), "'"),
        common: None,
    },
    Engine {
        line: "HotSpot",
        what: "java",
        version: "java -version 2>&1",
        run: "java -version 2>&1 && echo OK",
        cured: "java -XX:+UseSerialGC -XX:CompressedClassSpaceSize=16m -XX:ReservedCodeCacheSize=32m -Xmx64m -version 2>&1 && echo OK",
        common: None,
    },
    Engine {
        line: "LuaJIT",
        what: "luajit",
        version: "luajit -v",
        run: "luajit -e 'local n=0 for i=1,1e6 do n=n+i end print(\"OK\")'",
        cured: "luajit -joff -e 'local n=0 for i=1,1e6 do n=n+i end print(\"OK\")'",
        common: Some("2.1"),
    },
    Engine {
        line: "PCRE2",
        what: "grep -P",
        version: "grep --version",
        run: "echo aaa1OK | grep -oP '(?<=a\\d)OK'",
        cured: "echo aaa1OK | grep -oP '(*NO_JIT)(?<=a\\d)OK'",
        common: Some("3.8"),
    },
    Engine {
        line: "PCRE2",
        what: "rg -P",
        version: "rg --version",
        run: "echo aaa1OK | rg -oP '(?<=a\\d)OK'",
        cured: "echo aaa1OK | rg -oP '(*NO_JIT)(?<=a\\d)OK'",
        common: None,
    },
    Engine {
        line: "PCRE2",
        what: "pcre2grep",
        version: "pcre2grep --version 2>&1",
        run: "echo aaa1OK | pcre2grep -o '(?<=a\\d)OK'",
        cured: "echo aaa1OK | pcre2grep -o '(*NO_JIT)(?<=a\\d)OK'",
        common: None,
    },
    Engine {
        line: "git grep -P",
        what: "git grep -P",
        version: "/usr/bin/git --version",
        run: "printf 'aaa1OK\\n' > text; /usr/bin/git grep --no-index -ohP '(?<=a\\d)OK' text",
        cured: "printf 'aaa1OK\\n' > text; /usr/bin/git grep --no-index -ohP '(*NO_JIT)(?<=a\\d)OK' text",
        common: Some("git version 2.39"),
    },
    Engine {
        line: "PHP preg",
        what: "php preg_match",
        version: "php --version",
        run: "php -r 'echo preg_match(\"/a+\\d/\", \"aaa1\") ? \"OK\" : \"\";' 2>&1",
        cured: "php -d pcre.jit=0 -r 'echo preg_match(\"/a+\\d/\", \"aaa1\") ? \"OK\" : \"\";' 2>&1",
        common: Some("PHP 8.2"),
    },
    Engine {
        line: "PHP opcache",
        what: "php opcache",
        version: "php --version",
        run: concat!(php!(), "tracing hot.php 2>&1"),
        cured: concat!(php!(), "disable hot.php 2>&1"),
        common: Some("PHP 8.2"),
    },
    Engine {
        line: "libffi closures",
        what: "python3 ctypes",
        version: "/usr/bin/python3 --version",
        run: "/usr/bin/python3 -c 'import ctypes; f = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(lambda x: x + 1); print(\"OK\" if f(1) == 2 else \"\")'",
        cured: "",
        common: Some("Python 3.11"),
    },
    Engine {
        line: "PostgreSQL",
        what: "postgresql",
        version: concat!("test -d ", cluster!(), "/base && ", as_postgres!(), " --version"),
        run: postgres!("on", "JIT:"),
        cured: postgres!("off", "Execution Time:"),
        common: None,
    },
    Engine {
        line: "numba",
        what: "python3 numba",
        version: "/usr/bin/python3 -c 'import numba; print(numba.__version__)'",
        run: "HOME=$PWD NUMBA_CACHE_DIR=$PWD /usr/bin/python3 -c 'import numba; f = numba.njit(lambda x: x + 1); print(\"OK\" if f(1) == 2 else \"\")'",
        cured: "",
        common: None,
    },
    Engine {
        line: "PyPy",
        what: "pypy3",
        version: "pypy3 --version",
        run: "pypy3 -c 'n=0\nfor i in range(1000000): n+=i\nprint(\"OK\")'",
        cured: "pypy3 --jit off -c 'n=0\nfor i in range(1000000): n+=i\nprint(\"OK\")'",
        common: None,
    },
    Engine {
        line: "Erlang/OTP",
        what: "erl",
        version: "erl -noshell -eval 'io:format(\"~s~n\",[erlang:system_info(otp_release)]),halt().'",
        run: "HOME=$PWD erl -noshell -eval 'io:format(\"OK\"),halt().'",
        cured: "",
        common: None,
    },
    Engine {
        line: "Ruby YJIT",
        what: "ruby --yjit",
        version: "ruby --version",
        run: "ruby --yjit -e 'def f(n) n+1 end; i=0; while i<100000; i=f(i); end; print \"OK\"'",
        cured: "ruby -e 'def f(n) n+1 end; i=0; while i<100000; i=f(i); end; print \"OK\"'",
        common: None,
    },
    Engine {
        line: "QEMU TCG",
        what: "qemu-system-x86_64",
        version: "qemu-system-x86_64 --version",
        run: "echo quit | qemu-system-x86_64 -accel tcg -M none -nodefaults -display none -monitor stdio && echo OK",
        cured: "echo quit | qemu-system-x86_64 -accel tcg,split-wx=on -M none -nodefaults -display none -monitor stdio && echo OK",
        common: None,
    },
    Engine {
        line: "QEMU user mode",
        what: "qemu-x86_64",
        version: "qemu-x86_64 --version",
        run: "qemu-x86_64 /bin/echo OK",
        cured: "",
        common: None,
    },
    Engine {
        line: "Guile",
        what: "guile",
        version: "guile --version",
        run: "HOME=$PWD GUILE_AUTO_COMPILE=0 guile -c '(let loop ((i 0)) (if (< i 3000000) (loop (+ i 1)))) (display \"OK\")'",
        cured: "HOME=$PWD GUILE_AUTO_COMPILE=0 GUILE_JIT_THRESHOLD=-1 guile -c '(let loop ((i 0)) (if (< i 300000) (loop (+ i 1)))) (display \"OK\")'",
        common: None,
    },
    Engine {
        line: "SBCL",
        what: "sbcl",
        version: "sbcl --version",
        run: "sbcl --noinform --no-userinit --non-interactive --eval '(progn (funcall (compile nil (quote (lambda (x) (+ x 1)))) 1) (princ \"OK\"))'",
        cured: "",
        common: None,
    },
    Engine {
        line: "Racket",
        what: "racket",
        version: "racket --version",
        run: "HOME=$PWD racket -e '(display \"OK\")'",
        cured: "",
        common: None,
    },
    Engine {
        line: "Mono",
        what: "mono",
        version: "mono --version",
        run: "mono /usr/lib/mono/4.5/mcs.exe --version && echo OK",
        cured: "",
        common: None,
    },
    Engine {
        line: "tcc -run",
        what: "tcc -run",
        version: "tcc -v",
        run: "echo 'int puts(const char*); int main(void){puts(\"OK\");return 0;}' | tcc -run -",
        cured: "",
        common: None,
    },
    Engine {
        line: "Wasmtime",
        what: "wasmtime of PyPI",
        version: concat!(modules!(), " -c 'import importlib.metadata as m; print(m.version(\"wasmtime\"))'"),
        run: wasmtime!(""),
        cured: wasmtime!("c.target = \"pulley64\"; "),
        common: None,
    },
];
