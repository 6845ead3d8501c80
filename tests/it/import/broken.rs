//! Files that are wrong, one per fault, each with what is said about it.
