//! Policies from outside: what ships, what is promised, what is refused.

#[cfg(test)]
mod corners;
#[cfg(test)]
mod cost;
#[cfg(test)]
mod diff;
#[cfg(test)]
mod differential;
#[cfg(test)]
mod documentation;
mod explained;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod mistakes;
#[cfg(test)]
mod purity;
#[cfg(test)]
mod starter;
#[cfg(test)]
mod support;
#[cfg(test)]
mod warnings;
#[cfg(test)]
#[path = "../../benches/world/mod.rs"]
mod world;
