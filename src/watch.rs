//! `barejit probe -- COMMAND`: runs a program and finds out why it is refused executable
//! memory, by watching its calls with ptrace(2). `--pid`: what can be known of a process
//! that runs already.
//!
//! ```text
//! monitor ◀──news── tracer ──ptrace──▶ command, and all that it starts
//!   the process       calls     which are watched; the filter
//!   that the shell    finding   a refused call ◀── stack, elf   who asked
//!   knows                                      ◀── cause        why
//!                                              ◀── engine       which engine
//!                     report, json
//! ```
//!
//! Three processes: the shell waits for the monitor, so that the tracer can stay with
//! processes that outlive the command. The command keeps its output, its status and its
//! signals. No trial is run here, and nothing about the host is asked that /proc does not
//! tell.

mod calls;
mod cause;
mod elf;
mod engine;
mod finding;
mod json;
mod live;
mod monitor;
mod proc;
mod relay;
mod report;
mod stack;
mod start;
mod tracer;

pub use live::describe;
pub use monitor::{die, run};

/// The command to run, and how to report about it.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The command and its arguments; not empty.
    pub command: &'a [&'static [u8]],
    /// Report at the first refusal.
    pub first: bool,
    /// Tell what there is to tell of a program that is fine, too.
    pub verbose: bool,
    /// Stop at every call: no filter, and no no_new_privs for it.
    pub slow: bool,
    /// Report as one line of JSON.
    pub json: bool,
    /// Where the report goes instead of standard error.
    pub output: Option<&'a [u8]>,
}

/// How the command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// With this status.
    Exited(u8),
    /// By this signal.
    Killed(u8),
    /// It was not run or not watched to its end, which has been told.
    Failed,
}
