//! The native card driver as a [`crate::token::Token`].
