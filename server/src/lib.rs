//! nts
