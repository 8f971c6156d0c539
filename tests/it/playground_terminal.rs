//! The prompt on a terminal: a real pseudo-terminal, judged by what stands on its screen.

use crate::support::*;
use std::{
    fs::File,
    io::{Read, Write},
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Child, Command, ExitStatus},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// A terminal's screen: it takes characters and the few control sequences that the prompt
/// uses (ECMA-48).
#[derive(Default)]
struct Screen {
    rows: Vec<Vec<char>>,
    row: usize,
    column: usize,
    /// A sequence that is not complete yet, from its `[` on.
    sequence: Option<String>,
    /// All sequences that came.
    sequences: Vec<String>,
    bytes: Vec<u8>,
}

impl Screen {
    fn take(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let valid = match std::str::from_utf8(&self.bytes) {
            Ok(_) => self.bytes.len(),
            Err(error) => error.valid_up_to(),
        };
        let text = String::from_utf8(self.bytes.drain(..valid).collect()).expect("valid");
        text.chars().for_each(|c| self.put(c));
    }

    fn put(&mut self, c: char) {
        if let Some(sequence) = &mut self.sequence {
            sequence.push(c);
            if c.is_ascii_alphabetic() || c == '~' {
                let sequence = self.sequence.take().expect("just there");
                self.obey(&sequence);
                self.sequences.push(sequence);
            }
            return;
        }
        if self.rows.len() <= self.row {
            self.rows.resize(self.row + 1, Vec::new());
        }
        match c {
            '\x1b' => self.sequence = Some(String::new()),
            '\r' => self.column = 0,
            '\n' => self.row += 1,
            c => {
                let row = &mut self.rows[self.row];
                if row.len() <= self.column {
                    row.resize(self.column + 1, ' ');
                }
                row[self.column] = c;
                self.column += 1;
            }
        }
    }

    fn obey(&mut self, sequence: &str) {
        let count = sequence[1..sequence.len() - 1].parse().unwrap_or(1);
        match sequence.chars().last() {
            Some('K') => self.rows[self.row].truncate(self.column),
            Some('C') => self.column += count,
            Some('H') => (self.row, self.column) = (0, 0),
            Some('J') => self.rows.clear(),
            _ => {}
        }
    }

    fn text(&self) -> String {
        let rows = self.rows.iter().map(|row| row.iter().collect::<String>().trim_end().to_string());
        rows.collect::<Vec<_>>().join("\n")
    }
}

/// A program on a terminal of its own.
struct Terminal {
    child: Child,
    keys: Option<File>,
    screen: Arc<Mutex<Screen>>,
    terminal: OwnedFd,
    /// Reads what is shown until it is told that the terminal is hung up.
    reader: Option<(JoinHandle<()>, Arc<AtomicBool>)>,
}

impl Terminal {
    fn new(mut command: Command) -> Self {
        let (mut main, mut terminal) = (0, 0);
        let size = libc::winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: two ints are written, and the size is read.
        let result = unsafe {
            libc::openpty(
                &raw mut main,
                &raw mut terminal,
                std::ptr::null_mut(),
                std::ptr::null(),
                &raw const size,
            )
        };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: it is open, and nobody else's.
        let main = unsafe { File::from_raw_fd(main) };
        // SAFETY: likewise.
        let terminal = unsafe { OwnedFd::from_raw_fd(terminal) };
        for fd in [main.as_raw_fd(), terminal.as_raw_fd()] {
            // SAFETY: numbers only.
            assert_eq!(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) }, 0);
        }
        let copy = || std::process::Stdio::from(terminal.try_clone().expect("a copy"));
        command.stdin(copy()).stdout(copy()).stderr(copy());
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTSTP] {
            regime::end_by(&mut command, signal);
        }
        let session = || {
            // SAFETY: numbers only.
            if unsafe { libc::setsid() } < 0 {
                return Err(std::io::Error::last_os_error());
            }
            // SAFETY: numbers only; 0 is the terminal.
            let result = unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) };
            if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
        };
        // SAFETY: it makes system calls and nothing else.
        unsafe { command.pre_exec(session) };
        let child = command.spawn().expect("started");
        let screen = Arc::new(Mutex::new(Screen::default()));
        let (mut output, shown) = (main.try_clone().expect("a copy"), Arc::clone(&screen));
        let is_hung_up = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_hung_up);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while !ends.load(Relaxed) {
                let mut ready = libc::pollfd { fd: output.as_raw_fd(), events: libc::POLLIN, revents: 0 };
                // SAFETY: one structure is read and written.
                if unsafe { libc::poll(&raw mut ready, 1, 20) } < 1 {
                    continue;
                }
                let Ok(size @ 1..) = output.read(&mut bytes) else { break };
                shown.lock().expect("whole").take(&bytes[..size]);
            }
        });
        Self { child, keys: Some(main), screen, terminal, reader: Some((reader, is_hung_up)) }
    }

    /// Closes the side that the window has, as its end does.
    fn hang_up(&mut self) {
        if let Some((reader, ends)) = self.reader.take() {
            ends.store(true, Relaxed);
            reader.join().expect("it reads");
        }
        self.keys = None;
    }

    /// The children of the program.
    fn children(&self) -> Vec<u32> {
        let id = self.child.id();
        let list = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
        list.split_whitespace().map(|id| id.parse().expect("a number")).collect()
    }

    fn prompt() -> Self {
        let mut new = Self::new(command(&["repl"]));
        new.shows("\n>");
        new
    }

    fn types(&mut self, keys: &str) {
        self.keys.as_mut().expect("open").write_all(keys.as_bytes()).expect("typed");
    }

    fn text(&self) -> String {
        self.screen.lock().expect("whole").text()
    }

    /// Waits until the screen has that text, `times` times.
    #[track_caller]
    fn shows_times(&mut self, text: &str, times: usize) {
        let start = Instant::now();
        while self.text().matches(text).count() < times {
            assert!(start.elapsed() < Duration::from_secs(30), "no {text:?} on the screen:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[track_caller]
    fn shows(&mut self, text: &str) {
        self.shows_times(text, 1);
    }

    fn modes(&self) -> (u32, u32) {
        let mut modes = std::mem::MaybeUninit::<libc::termios>::uninit();
        // SAFETY: the structure is written.
        assert_eq!(unsafe { libc::tcgetattr(self.terminal.as_raw_fd(), modes.as_mut_ptr()) }, 0);
        // SAFETY: it was written.
        let modes = unsafe { modes.assume_init() };
        (modes.c_iflag, modes.c_lflag)
    }

    fn ends(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("waited") {
                return status;
            }
            assert!(start.elapsed() < Duration::from_secs(30), "it does not end:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn lines_are_edited_and_remembered() {
    let mut terminal = Terminal::prompt();
    // A letter too many, and two missing at the start.
    terminal.types("c rbxx\x7f\x01in\r");
    terminal.shows("rbx 0 -> 1");
    terminal.types("\x1b[A\r");
    terminal.shows("rbx 1 -> 2");
    // Up twice, down once: the newest line again; a word is killed and typed anew.
    terminal.types("dec rcx\r");
    terminal.shows("rcx 0 -> 0xffffffffffffffff (-1)");
    terminal.types("\x1b[A\x1b[A\x1b[B\x17rbx\r");
    terminal.shows("rbx 2 -> 1");
    // UTF-8: one key takes back one character.
    terminal.types("é字\x7f\x7frbx\r");
    terminal.shows("> rbx\n  1");
    terminal.types("\x04");
    assert_eq!(terminal.ends().code(), Some(0));
    let screen = terminal.screen.lock().expect("whole");
    assert!(screen.sequences.iter().all(|sequence| !sequence.ends_with('m')), "colours");
}

#[test]
fn tab_completes_commands_mnemonics_registers_and_labels() {
    let mut terminal = Terminal::prompt();
    terminal.types("counter: dq 5\r");
    terminal.shows("[counter]");
    terminal.types(":fl\t\r");
    terminal.shows("cf 0  pf 0");
    terminal.types("bsw\t\x7f rc\t\r");
    terminal.shows("0f c9");
    terminal.types("mov edx, [coun\t");
    terminal.shows("mov edx, [counter");
    terminal.types("\x7f]\r");
    terminal.shows("rdx 0 -> 5");
    terminal.types("cmov\t");
    terminal.shows("cmovae");
}

#[test]
fn a_listing_is_pasted_whole() {
    let mut terminal = Terminal::prompt();
    terminal.types("\x1b[200~mov ecx, 3\nagain: add eax, ecx\ndec ecx\njnz again\n\x1b[201~");
    terminal.shows("rax 0 -> 6");
    terminal.types("rax\r");
    terminal.shows("> rax\n  6");
}

#[test]
fn a_line_longer_than_the_terminal_is_scrolled() {
    let mut terminal = Terminal::prompt();
    let size = libc::winsize { ws_row: 24, ws_col: 20, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the size is read.
    assert_eq!(unsafe { libc::ioctl(terminal.terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) }, 0);
    terminal.types("mov ebx, 1; mov ecx, 2; mov edx, 3");
    terminal.shows("mov edx, 3");
    let text = terminal.text();
    let last = text.lines().last().unwrap_or_default();
    assert!(last.starts_with("> ") && last.chars().count() <= 20, "{text}");
    terminal.types("\r");
    terminal.shows("rdx 0 -> 3");
}

#[test]
fn the_keyboard_ends_a_line_that_runs_and_not_the_session() {
    let mut terminal = Terminal::prompt();
    terminal.types("mov ebx, 9\r");
    terminal.shows("rbx 0 -> 9");
    terminal.types("jmp $\r");
    std::thread::sleep(Duration::from_millis(300));
    terminal.types("\x03");
    terminal.shows("SIGINT");
    terminal.types("rbx\r");
    terminal.shows("> rbx\n  9");
    // At the prompt it gives up the line that is typed.
    terminal.types("no such thing\x03rbx\r");
    terminal.shows_times("> rbx\n  9", 2);
}

#[test]
fn job_control_stops_and_continues_prompt_and_line() {
    let mut shell = Command::new("bash");
    shell.args([
        "--norc",
        "--noprofile",
        "-mc",
        &format!("{BAREJIT} repl; echo stopped $?; fg; echo again; fg"),
    ]);
    let mut terminal = Terminal::new(shell);
    terminal.shows("\n>");
    terminal.types("mov ebx, 9\r");
    terminal.shows("rbx 0 -> 9");
    let before = terminal.modes();
    terminal.types("\x1a");
    terminal.shows("stopped 148");
    terminal.types("rbx\r");
    terminal.shows("> rbx\n  9");
    assert_eq!(terminal.modes(), before);
    terminal.types("jmp $\r");
    std::thread::sleep(Duration::from_millis(300));
    terminal.types("\x1a");
    terminal.shows("again");
    std::thread::sleep(Duration::from_millis(300));
    terminal.types("\x03");
    terminal.shows("SIGINT");
    terminal.types("rbx\r");
    terminal.shows_times("> rbx\n  9", 2);
    terminal.types("\x04");
    terminal.ends();
}

#[test]
fn a_terminal_is_given_back_as_it_was() {
    let modes = |signal: Option<i32>, line: &str| {
        let mut command = command(&["repl"]);
        if signal.is_none() {
            command = Command::new("sh");
            command.args(["-c", &format!("{BAREJIT} repl; echo back; read x")]);
        }
        let mut terminal = Terminal::new(command);
        terminal.shows("\n>");
        terminal.types(line);
        if let Some(signal) = signal {
            // SAFETY: numbers only.
            unsafe { libc::kill(terminal.child.id() as i32, signal) };
            assert_eq!(terminal.ends().signal(), Some(signal));
        } else {
            terminal.shows("back");
        }
        terminal.modes()
    };
    let own = {
        let mut sleep = Command::new("sleep");
        sleep.arg("0");
        let mut terminal = Terminal::new(sleep);
        terminal.ends();
        terminal.modes()
    };
    // Modes that a line sets (ioctl TCSETS with zeroes) are the session's again, too.
    assert_eq!(
        modes(
            None,
            "data: db 0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0\rxor edi, edi; mov esi, 0x5402; lea rdx, [data]; mov eax, 16; syscall\r\x04"
        ),
        own
    );
    assert_eq!(modes(Some(libc::SIGTERM), "mov"), own);
}

#[test]
fn an_interrupt_between_lines_ends_no_session() {
    let mut terminal = Terminal::prompt();
    for (signal, shown) in [(libc::SIGINT, "rax 0 -> 1"), (libc::SIGQUIT, "rax 1 -> 2")] {
        // SAFETY: numbers only. The terminal sends it for ^C or ^\ between two lines.
        unsafe { libc::kill(terminal.child.id() as i32, signal) };
        terminal.types("inc rax\r");
        terminal.shows(shown);
    }
}

#[test]
fn a_terminal_that_is_gone_ends_the_session() {
    let mut terminal = Terminal::prompt();
    terminal.types("mov eax, 1\r");
    terminal.shows("rax 0 -> 1");
    // SAFETY: numbers only: the terminal is hung up, as by closing its window.
    unsafe { libc::kill(terminal.child.id() as i32, libc::SIGHUP) };
    assert_eq!(terminal.ends().signal(), Some(libc::SIGHUP));
}

/// The window of the terminal closes, at the prompt and while a line runs: the session ends
/// by SIGHUP, as documented, and the process of the line ends with it.
#[test]
fn a_window_that_closes_ends_session_and_line() {
    for line in [None, Some("jmp $\r"), Some("mov eax, 34; syscall\r"), Some("mov eax, 57; syscall; jmp $\r")]
    {
        let mut terminal = Terminal::prompt();
        terminal.types("inc ebx\r");
        terminal.shows("rbx 0 -> 1");
        let mut children = Vec::new();
        if let Some(line) = line {
            terminal.types(line);
            let start = Instant::now();
            while children.is_empty() {
                assert!(start.elapsed() < Duration::from_secs(30), "no process runs {line:?}");
                children = terminal.children();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        terminal.hang_up();
        assert_eq!(terminal.ends().signal(), Some(libc::SIGHUP), "{line:?}");
        for child in children {
            let start = Instant::now();
            // A process that has ended and that nobody has waited for yet is one of state Z.
            let runs = || {
                let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
                stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
            };
            while runs() {
                assert!(start.elapsed() < Duration::from_secs(10), "the process of {line:?} runs on");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

#[test]
fn the_history_is_searched() {
    let mut terminal = Terminal::prompt();
    terminal.types("mov ebx, 5\rinc rcx\rmov ebx, 7\r");
    terminal.shows("rbx 5 -> 7");
    // The newest line that has it, then an older one.
    terminal.types("\x12ebx");
    terminal.shows("(search 'ebx') mov ebx, 7");
    terminal.types("\x12");
    terminal.shows("(search 'ebx') mov ebx, 5");
    terminal.types("\r");
    terminal.shows("rbx 7 -> 5");
    // A letter less finds the newest again; a key that moves ends it, and the line is edited.
    terminal.types("\x12in\x7f\x7finc\x05; inc rdx\r");
    terminal.shows("rdx 0 -> 1");
    // ^C brings back the line from before, and without a match it stays.
    terminal.types("rcx\x12movv\x03\r");
    terminal.shows("> rcx\n  2");
    terminal.types("\x12\x12\x12\x12\x12\x12\x12\x03");
    terminal.types("rdx\r");
    terminal.shows("> rdx\n  1");
}

/// A line of letters of two bytes comes back in place of one that was scrolled by an odd
/// number of bytes.
#[test]
fn lines_of_other_scripts_come_back_in_a_narrow_window() {
    let mut terminal = Terminal::prompt();
    let size = libc::winsize { ws_row: 24, ws_col: 20, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the size is read.
    assert_eq!(unsafe { libc::ioctl(terminal.terminal.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) }, 0);
    terminal.types(&("é".repeat(40) + "\r"));
    for letters in 30..34 {
        terminal.types(&("a".repeat(letters) + "\x1b[A\x1b[B\x1b[A\x12é\x03\x15\x03"));
    }
    terminal.types("mov ebx, 3\r");
    terminal.shows("rbx 0 -> 3");
}

/// No colours anywhere; a terminal without control sequences gets none at all.
#[test]
fn a_dumb_terminal_gets_text_only() {
    for (variable, value, is_dumb) in
        [("NO_COLOR", "1", false), ("NO_COLOR", "", false), ("TERM", "dumb", true)]
    {
        let mut session = command(&["repl"]);
        session.env_remove("NO_COLOR").env("TERM", "xterm-256color").env(variable, value);
        let mut terminal = Terminal::new(session);
        terminal.shows("\n>");
        terminal.types("inc rbx\nud2\n:step inc rbx\nmovv\n:help\ntwo:\nmov ecx, 2\n\nrbx\n");
        terminal.shows("  2\n>");
        // The terminal itself may turn the last line into its end.
        terminal.types(":quit\n");
        assert_eq!(terminal.ends().code(), Some(0), "{}", terminal.text());
        let text = terminal.text();
        for part in ["rbx 0 -> 1", "SIGILL at ud2", "no instruction is called 'movv'", "rcx 0 -> 2"] {
            assert!(text.contains(part), "{part:?} is missing:\n{text}");
        }
        let screen = terminal.screen.lock().expect("whole");
        let coloured = screen.sequences.iter().any(|sequence| sequence.ends_with('m'));
        assert!(!coloured && screen.sequences.is_empty() == is_dumb, "{variable}: {:?}", screen.sequences);
    }
}
