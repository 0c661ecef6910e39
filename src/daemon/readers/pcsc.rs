//! PC/SC (pcscd).
