//! Each indicator on a small village network, counted by hand.
