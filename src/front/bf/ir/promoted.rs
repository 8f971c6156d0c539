//! Promoted loops: which of their cells live in which registers. Whether a loop can be
//! promoted is decided in `promote`.

/// Registers that cells can be assigned to.
pub(in crate::front::bf) const REGISTERS: usize = 11;

/// A cell that has a register; its place in the list says which.
#[derive(Clone, Copy, Default, Debug)]
pub(in crate::front::bf) struct Assigned {
    pub(in crate::front::bf) cell: i32,
    pub(in crate::front::bf) written: bool,
}

/// A loop whose cells live in registers.
#[derive(Clone, Copy, Debug)]
pub(in crate::front::bf) struct Promoted {
    /// The index of its `Open`.
    pub(in crate::front::bf) open: u32,
    assigned: [Assigned; REGISTERS],
    /// How many cells it names.
    used: u8,
}

impl Promoted {
    /// A loop that names no cell.
    pub(in crate::front::bf) const fn new(open: u32) -> Self {
        Self { open, assigned: [Assigned { cell: 0, written: false }; REGISTERS], used: 0 }
    }

    /// The cells that have registers.
    pub(in crate::front::bf) fn registers(&self) -> &[Assigned] {
        &self.assigned[..self.used as usize]
    }

    /// Assigns a register to `cell`, unless it has one. Returns false if none is left.
    pub(in crate::front::bf) fn name(&mut self, cell: i32, written: bool) -> bool {
        let used = self.used as usize;
        if let Some(assigned) = self.assigned.iter_mut().take(used).find(|assigned| assigned.cell == cell) {
            assigned.written |= written;
        } else if let Some(assigned) = self.assigned.get_mut(used) {
            *assigned = Assigned { cell, written };
            self.used += 1;
        } else {
            return false;
        }
        true
    }
}
