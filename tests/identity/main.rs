//! Who reads: every source of credentials, alone and with a cross-account role, against the fake cloud, on a clock
//! that the tests move. In this process, through the same configuration as the binary.

mod cross_account;
mod life;
mod network;
mod not_understood;
mod outage;
mod pods;
mod sharing;
mod sources;
mod table;
mod world;
