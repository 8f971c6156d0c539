//! The process that the shell knows: starts the tracer, stops when the command stops,
//! passes signals on, and ends as the command ended.

use super::relay::{Message, pass_on};
use super::{Ended, Request, start};
use barejit_sys::{
    self as sys, Error, OwnedFd,
    linux::{
        self,
        tracing::{self, Tid},
        trial,
    },
    signal::{self, Disposition, Signal},
};

/// Runs the command, watches it and reports, and says how it ended.
///
/// # Errors
/// The call that the system refused before there was a command.
pub fn run(request: &Request<'_>) -> Result<Ended, Error> {
    let monitor = Tid::new(linux::getpid()? as i32);
    let [news, tell] = tracing::pipe()?;
    // SAFETY: (1) the process has one thread.
    let Some(tracer) = unsafe { trial::fork() }? else {
        drop(news);
        start::trace(request, &tell, monitor);
        linux::exit(0)
    };
    drop(tell);
    pass_on(tracer.tid(), None)?;
    Ok(follow(&news, tracer.tid()))
}

/// Does as the messages say.
fn follow(news: &OwnedFd, tracer: Tid) -> Ended {
    let mut message = [0; 2];
    loop {
        // Two bytes are written and read at once (pipe(7), PIPE_BUF).
        match sys::read_some(news.fd(), &mut message) {
            Ok(2) => {}
            _ => {
                sys::report(format_args!("probe: the tracer ended before the command"));
                return Ended::Failed;
            }
        }
        let [kind, number] = message;
        match kind {
            kind if kind == Message::Stopped as u8 => {
                let _ = linux::kill_self(Signal::STOP);
                let _ = tracing::kill(tracer, Signal::CONT.number());
            }
            kind if kind == Message::Exited as u8 => return Ended::Exited(number),
            kind if kind == Message::Killed as u8 => return Ended::Killed(number),
            _ => return Ended::Failed,
        }
    }
}

/// Ends this process by the signal that ended the command. A core file was written
/// already, if any.
pub fn die(signal: u8) -> ! {
    const SHELLS_STATUS: i32 = 128;
    let signal = signal::Signal::new(signal);
    let _ = tracing::forbid_core_file();
    // SAFETY: (1) there is no handler.
    let _ = unsafe { linux::rt_sigaction(signal, Disposition::Default) };
    trial::unblock_signals();
    let _ = linux::kill_self(signal);
    linux::exit(SHELLS_STATUS + i32::from(signal.number()))
}
