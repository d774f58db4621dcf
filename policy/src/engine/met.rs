//! The policies that hold, while they are being found.

/// Numbers of policies; nothing is allocated for the first few.
#[derive(Default)]
pub(super) struct Met {
    few: [u32; FEW],
    len: usize,
    /// All of them, once they are more than a few.
    many: Vec<u32>,
}

impl Met {
    pub(super) fn push(&mut self, policy: u32) {
        match self.few.get_mut(self.len) {
            Some(place) => *place = policy,
            None => {
                if self.many.is_empty() {
                    self.many.extend(self.few);
                }
                self.many.push(policy);
            }
        }
        self.len += 1;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// In the order of their numbers, which is that of their ids.
    pub(super) fn sorted(&mut self) -> &[u32] {
        let met = if self.many.is_empty() { self.few.get_mut(..self.len).unwrap_or_default() } else { &mut self.many };
        met.sort_unstable();
        met
    }
}

/// How many hold at once, at most, in most questions.
const FEW: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_and_many_come_out_sorted() {
        for count in [0, 1, 15, 16, 17, 40] {
            let mut met = Met::default();
            (0..count).rev().for_each(|policy| met.push(policy));
            assert_eq!(met.is_empty(), count == 0);
            assert_eq!(met.sorted(), (0..count).collect::<Vec<_>>());
        }
    }
}
