//! The real binary, asked by a real gRPC client over its socket, reading from the fake cloud; and what the driver's contract
//! asks of it and of its server.

mod contract;
mod depth;
mod documented;
mod errors;
mod identities;
mod load;
mod observed;
mod outage;
mod policy;
mod process;
mod retries;
mod secrecy;
mod secret_syncs;
mod sharing;
mod sync_controller;
mod transport;
mod whoami;
mod world;
