//! How much can be charged in which currency (<https://docs.stripe.com/currencies>).

use super::answer::Fault;

/// The currencies that Stripe charges in
/// (<https://docs.stripe.com/currencies#presentment-currencies>).
const CURRENCIES: &str = "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd \
    bob brl bsd bwp byn bzd cad cdf chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd \
    fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr ils inr isk jmd jod jpy kes kgs khr kmf \
    krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr mwk mxn myr mzn nad \
    ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd \
    shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx usd uyu uzs vnd vuv wst xaf \
    xcd xcg xof xpf yer zar zmw";

/// Eight digits, whatever the currency
/// (<https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>).
const MOST: i64 = 99_999_999;

/// Whether Stripe charges in it. The code must be written in lower case.
pub(super) fn known(currency: &str) -> bool {
    currency.len() == 3 && CURRENCIES.split_ascii_whitespace().any(|known| known == currency)
}

/// The least that can be charged, in minor units, where the account settles in that currency
/// (<https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>). For the others it
/// depends on the day's exchange rate; here it is 1.
fn least(currency: &str) -> i64 {
    match currency {
        "usd" | "aud" | "brl" | "cad" | "chf" | "eur" | "inr" | "jpy" | "nzd" | "sgd" => 50,
        "gbp" => 30,
        "bgn" => 100,
        "aed" | "myr" | "pln" | "ron" => 200,
        "dkk" => 250,
        "nok" | "sek" => 300,
        "hkd" => 400,
        "mxn" | "thb" => 1_000,
        "czk" => 1_500,
        "huf" => 17_500,
        _ => 1,
    }
}

/// Refuses what is too little or too much to charge, or too fine.
pub(super) fn check(amount: i64, currency: &str) -> Result<(), Fault> {
    if amount > MOST {
        let message = format!("amount is more than {MOST}.");
        return Err(Fault::invalid("amount_too_large", message).about("amount"));
    }
    let least = least(currency);
    if amount < least {
        let message = format!("amount is less than {least}, the least in {currency}.");
        return Err(Fault::invalid("amount_too_small", message).about("amount"));
    }
    check_step(amount, currency, "amount")
}

/// Three-decimal currencies end in 0 (<https://docs.stripe.com/currencies#three-decimal>); the
/// krónur and the Ugandan shillings are whole, though they are written with two decimals
/// (<https://docs.stripe.com/currencies#special-cases>).
pub(super) fn check_step(amount: i64, currency: &str, param: &str) -> Result<(), Fault> {
    let step = match currency {
        "bhd" | "jod" | "kwd" | "omr" | "tnd" => 10,
        "isk" | "ugx" => 100,
        _ => 1,
    };
    if amount % step != 0 {
        let message = format!("In {currency}, {param} must be a multiple of {step}.");
        return Err(Fault::invalid("invalid_charge_amount", message).about(param));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use boxoffice::Currency;

    /// The emulator has a list of its own, as Stripe has: an event is made only if what it costs can be
    /// paid.
    #[test]
    fn the_rules_refuse_what_is_refused_here() {
        let letters = || ('A'..='Z').chain('0'..='1');
        for (a, b) in letters().flat_map(|a| letters().map(move |b| (a, b))) {
            for c in letters() {
                let code: String = [a, b, c].iter().collect();
                let Some(currency) = Currency::parse(&code) else { continue };
                let lower = code.to_ascii_lowercase();
                assert_eq!(currency.is_charged(), known(&lower), "{code}");
                if currency.is_charged() {
                    let least = currency.least_minor();
                    assert!(check(least, &lower).is_ok(), "{code} {least}");
                    assert!(check(least - 1, &lower).is_err(), "{code} {least}");
                }
            }
        }
    }
}
