//! Vessels.

/// Whether text is a ship's IMO number: seven digits, the last that of the sum of the first six, weighted 7 to 2
/// (`domain.md` §4.1).
pub fn imo_number_is_valid(text: &str) -> bool {
    let digits = text.as_bytes();
    if digits.len() != 7 || !digits.iter().all(u8::is_ascii_digit) {
        return false;
    }
    let sum: u32 =
        digits[..6].iter().zip((2..=7).rev()).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    sum % 10 == u32::from(digits[6] - b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_digit_of_an_imo_number_is_kept() {
        assert!(imo_number_is_valid("9074729"));
        for wrong in ["9074728", "907472", "90747290", "IMO9074729", ""] {
            assert!(!imo_number_is_valid(wrong), "{wrong}");
        }
    }
}
