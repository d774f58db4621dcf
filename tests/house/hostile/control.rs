//! Policies, configuration and the operators' own ways in.
