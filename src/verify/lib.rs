//! Public-key operations over a digest whose message was never seen: checks what a key signed.
#![forbid(unsafe_code)]
