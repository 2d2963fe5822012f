//! Dated rule sets as data and the evaluator of a placement's legality; pure.
