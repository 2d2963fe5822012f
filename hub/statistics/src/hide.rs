//! Small cells are hidden, and so many others that nobody finds them by subtraction (`domain.md` §6.1: k-anonymous).

use crate::count::{Cell, Table};

/// Fewer contributors than this are not published; none at all is.
pub const CELL_MIN: u64 = 11;

/// A table as it may leave the hub; `None` where a cell is hidden.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Everything.
    pub total: Option<u64>,
    /// By group, in order.
    pub rows: Vec<(String, Option<u64>)>,
}

/// Hides every cell of 1 to 10 contributors. What is hidden together is at least two cells and at least 11 contributors, so that the
/// total does not give it away: else the smallest shown cells are hidden too, and at last the total.
pub fn hide_small_cells(table: &Table) -> Published {
    let small = |cell: &Cell| (1..CELL_MIN).contains(&cell.contributors);
    let mut rows: Vec<(&String, &Cell, bool)> =
        table.rows.iter().map(|(group, cell)| (group, cell, small(cell))).collect();
    let mut total_hidden = small(&table.total);
    while !total_hidden {
        let hidden = rows.iter().filter(|(.., hidden)| *hidden);
        let (cells, contributors) =
            hidden.fold((0, 0), |(cells, sum), (_, cell, _)| (cells + 1, sum + cell.contributors));
        if cells == 0 || (cells >= 2 && contributors >= CELL_MIN) {
            break;
        }
        let shown = rows.iter_mut().filter(|(_, cell, hidden)| !hidden && cell.contributors > 0);
        match shown.min_by_key(|(_, cell, _)| cell.contributors) {
            Some(next) => next.2 = true,
            None => total_hidden = true,
        }
    }
    Published {
        total: (!total_hidden).then_some(table.total.value),
        rows: rows
            .into_iter()
            .map(|(group, cell, hidden)| (group.clone(), (!hidden).then_some(cell.value)))
            .collect(),
    }
}
