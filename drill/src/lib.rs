//! Fault drills: a workshop of real processes, with what can break broken on purpose, and an
//! account of what became of every job.
//!
//! [`world`] starts and kills the programs, [`links`] are the network between them, [`engine`]
//! is a ComfyUI that fails, [`people`] press Run, [`faults`] decides what breaks when, and
//! [`account`] counts afterwards, from the records and files that are left.
//!
//! [`soak`] breaks nothing: it lets a class work for hours and looks at what the programs take.

pub mod account;
pub mod adversity;
pub mod engine;
pub mod faults;
pub mod links;
pub mod people;
pub mod picture;
pub mod records;
pub mod run;
pub mod soak;
pub mod world;
