//! The classes of payments, and which of them is served next.
//!
//! Trying cards is free for who tries them, and each try takes calls from the budget in which all
//! buyers stand. So a first attempt goes before one that follows a decline, and a client's only
//! order before its second; within a class, first come, first served. No class waits for ever.

/// What a call to the payment provider is for. Everything but an attempt to pay is of the first
/// class: captures, cancellations, refunds and readings keep their places.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum PaymentClass {
    /// The first attempt of a client's only order.
    First,
    /// The first attempt of another order of the same client.
    SecondOrder,
    /// An attempt after one that was declined or left.
    AfterDecline,
}

/// How many classes there are.
pub const CLASSES: usize = 3;

impl PaymentClass {
    /// All of them, the first served first.
    pub const ALL: [PaymentClass; CLASSES] =
        [PaymentClass::First, PaymentClass::SecondOrder, PaymentClass::AfterDecline];
}

/// So many of higher classes may be served in a row while one of a lower class waits.
const MOST_PASSED: u32 = 9;

/// Says which class is served next, when several wait.
#[derive(Default, Debug)]
pub struct Fairness {
    /// How many of higher classes were served since one of this class was, while it waited.
    passed: [u32; CLASSES],
}

impl Fairness {
    /// The class to serve, of those in which somebody waits; `None`: nobody does.
    pub fn next(&self, waits: [bool; CLASSES]) -> Option<PaymentClass> {
        let waiting = || PaymentClass::ALL.into_iter().filter(|class| waits[*class as usize]);
        waiting().find(|class| self.is_owed(*class)).or_else(|| waiting().next())
    }

    /// Whether a class was passed over so often that it comes before the higher ones.
    pub fn is_owed(&self, class: PaymentClass) -> bool {
        self.passed[class as usize] >= MOST_PASSED
    }

    /// One of a class was served, while there were such waiting (or it was the last of its class).
    pub fn served(&mut self, class: PaymentClass, waits: [bool; CLASSES]) {
        self.passed[class as usize] = 0;
        self.passed_over(class, waits);
    }

    /// One of a class was served elsewhere, while there were such waiting here.
    pub fn passed_over(&mut self, class: PaymentClass, waits: [bool; CLASSES]) {
        for lower in PaymentClass::ALL.into_iter().filter(|lower| *lower > class) {
            let passed = &mut self.passed[lower as usize];
            *passed = if waits[lower as usize] { *passed + 1 } else { 0 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(fairness: &mut Fairness, waits: [bool; CLASSES], times: usize) -> [usize; CLASSES] {
        let mut served = [0; CLASSES];
        for _ in 0..times {
            let class = fairness.next(waits).expect("somebody waits");
            fairness.served(class, waits);
            served[class as usize] += 1;
        }
        served
    }

    #[test]
    fn the_higher_class_goes_first_and_the_lower_ones_get_about_one_in_ten() {
        let mut fairness = Fairness::default();
        assert_eq!(fairness.next([false; 3]), None);
        assert_eq!(serve(&mut fairness, [true; 3], 110), [90, 10, 10]);
        assert_eq!(serve(&mut fairness, [true, false, true], 100), [90, 0, 10]);
        assert_eq!(serve(&mut fairness, [false, true, true], 100), [0, 90, 10]);
        assert_eq!(serve(&mut fairness, [false, false, true], 5), [0, 0, 5]);
    }

    #[test]
    fn who_comes_to_a_lower_class_has_no_credit_from_before() {
        let mut fairness = Fairness::default();
        serve(&mut fairness, [true, false, false], 100);
        assert_eq!(serve(&mut fairness, [true, false, true], 9), [9, 0, 0]);
        assert_eq!(fairness.next([true, false, true]), Some(PaymentClass::AfterDecline));
    }
}
