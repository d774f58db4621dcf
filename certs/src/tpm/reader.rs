//! The TPM's way to write structures: numbers with the highest octet first, and octets with their count (16 bits) before them.

/// The octets end before the structure does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooShort;

/// Reads from the front.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    pub(super) fn u16(&mut self) -> Result<u16, TooShort> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, TooShort> {
        self.array().map(u32::from_be_bytes)
    }

    /// Octets with their count before them (`TPM2B`).
    pub(super) fn sized(&mut self) -> Result<&'a [u8], TooShort> {
        let count = self.u16()?;
        let (octets, rest) = self.0.split_at_checked(count.into()).ok_or(TooShort)?;
        self.0 = rest;
        Ok(octets)
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TooShort> {
        let (octets, rest) = self.0.split_first_chunk().ok_or(TooShort)?;
        self.0 = rest;
        Ok(*octets)
    }
}

/// Octets with their count before them. `None`: there are too many.
pub(super) fn sized(octets: &[u8]) -> Option<Vec<u8>> {
    let count = u16::try_from(octets.len()).ok()?;
    Some([&count.to_be_bytes(), octets].concat())
}
