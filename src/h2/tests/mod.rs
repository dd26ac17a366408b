//! Dialogues: what a client sends, what it must hear.

mod errors;
mod flood;
mod flow;
mod life;
mod split;
mod windows;
