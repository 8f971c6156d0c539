//! The prompt: instructions that are typed, shown as bytes, run, and what they changed.
//!
//! ```text
//!   editor or file ──▶ session ──▶ front      text to bytes
//!                         │ ├────▶ line       a child runs them, and reports
//!                         │ └────▶ memory     what lasts
//!                         ▼
//!                       show       what has changed
//! ```

pub mod change;
pub mod editor;
pub mod expression;
pub mod filter;
pub mod line;
pub mod memory;
pub mod session;
pub mod show;
