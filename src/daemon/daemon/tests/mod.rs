//! The whole daemon in process, with virtual cards, scripted dialogs and real sockets.

mod bench;
mod clients;
mod gateway;
mod mail;
mod objects;
mod operators;
mod routes;
mod tunnels;
