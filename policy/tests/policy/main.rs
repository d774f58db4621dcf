//! Policies from outside: what ships, what is promised, what is refused.

#[cfg(test)]
mod starter;
#[cfg(test)]
mod support;
