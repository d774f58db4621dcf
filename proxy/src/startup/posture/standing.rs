//! The layers of hardening, and how each stands.

/// Something that an intruder in the process would have to get past.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// It is not root.
    Account,
    /// Neither a crash nor another process of the account gets at its memory.
    Memory,
    /// Nothing that it starts has more privileges than it.
    NoNewPrivileges,
    /// The kernel keeps it from files and ports that are not its own.
    Landlock,
}

/// How a layer stands.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) layer: Layer,
    pub(super) in_force: bool,
    /// What exactly; why not, if it is not.
    pub(super) words: String,
}

impl Layer {
    /// A word for logs and labels.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Account => "unprivileged_account",
            Self::Memory => "no_core_dumps",
            Self::NoNewPrivileges => "no_new_privileges",
            Self::Landlock => "landlock",
        }
    }
}

impl Standing {
    pub(super) fn in_force(layer: Layer, words: impl Into<String>) -> Self {
        Self { layer, in_force: true, words: words.into() }
    }

    pub(super) fn missing(layer: Layer, words: impl Into<String>) -> Self {
        Self { layer, in_force: false, words: words.into() }
    }
}
