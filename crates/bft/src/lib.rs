//! BFT.
