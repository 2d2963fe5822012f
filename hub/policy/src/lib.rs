//! Who may do what: the directory fold and the Cedar decision; pure.
