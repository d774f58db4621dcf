//! Much, slowly, or all at once.
