//! The commands: each reads its options, asks a front end for code, has it run
//! and says what came of it.

pub(crate) mod call;
pub(crate) mod hello;
pub(crate) mod ret;
pub(crate) mod run;
