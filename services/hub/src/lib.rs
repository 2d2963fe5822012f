//! Composition root: builds every part in flow order and stops them in the same order.
