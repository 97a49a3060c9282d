//! What an order's page and the payment pages say: where the order stands, its money, its tickets.
//!
//! Nothing is said of money that is not known; `http/shop/sentences.rs` checks that in English.

use super::{Lang, Words, one, one_fr, words};

// Where an order stands: the first line of its page.
words! {
    /// Held.
    fn reserved_for_you() {
        en: "Reserved for you",
        de: "Für Sie reserviert",
        fr: "Réservé pour vous",
        es: "Reservado para usted",
    }
    /// A card was declined, and another one can be tried.
    fn payment_declined() {
        en: "The payment was declined",
        de: "Die Zahlung wurde abgelehnt",
        fr: "Le paiement a été refusé",
        es: "El pago ha sido rechazado",
    }
    /// A card was declined, and it was the last.
    fn no_more_cards() {
        en: "No more cards can be tried",
        de: "Es kann keine weitere Karte versucht werden",
        fr: "Aucune autre carte ne peut être essayée",
        es: "No se puede probar otra tarjeta",
    }
    /// The bank waits for the buyer.
    fn bank_must_confirm() {
        en: "Your bank needs to confirm this payment",
        de: "Ihre Bank muss diese Zahlung bestätigen",
        fr: "Votre banque doit confirmer ce paiement",
        es: "Su banco debe confirmar este pago",
    }
    /// An attempt is being made.
    fn payment_being_made() {
        en: "Your payment is being made",
        de: "Ihre Zahlung wird ausgeführt",
        fr: "Votre paiement est en cours",
        es: "Su pago se está realizando",
    }
    /// Canceling.
    fn being_cancelled() {
        en: "This order is being cancelled",
        de: "Diese Bestellung wird storniert",
        fr: "Cette commande est en cours d’annulation",
        es: "Este pedido se está cancelando",
    }
    /// Committed.
    fn tickets_on_their_way() {
        en: "Your tickets are on their way",
        de: "Ihre Tickets sind unterwegs",
        fr: "Vos billets arrivent",
        es: "Sus entradas están en camino",
    }
    /// Refunding.
    fn refund_on_its_way() {
        en: "Your refund is on its way",
        de: "Ihre Erstattung ist unterwegs",
        fr: "Votre remboursement est en cours",
        es: "Su reembolso está en camino",
    }
    /// All of it.
    fn refunded() {
        en: "Refunded",
        de: "Erstattet",
        fr: "Remboursé",
        es: "Reembolsado",
    }
    /// By the buyer.
    fn reservation_cancelled() {
        en: "This reservation was cancelled",
        de: "Diese Reservierung wurde storniert",
        fr: "Cette réservation a été annulée",
        es: "Esta reserva se ha cancelado",
    }
    /// Its time ran out.
    fn reservation_expired() {
        en: "This reservation has expired",
        de: "Diese Reservierung ist abgelaufen",
        fr: "Cette réservation a expiré",
        es: "Esta reserva ha caducado",
    }
    /// After a payment was begun.
    fn order_not_completed() {
        en: "This order was not completed",
        de: "Diese Bestellung wurde nicht abgeschlossen",
        fr: "Cette commande n’a pas abouti",
        es: "Este pedido no se ha completado",
    }
    /// A payment that is done, where the order is not shown.
    fn paid() {
        en: "Paid",
        de: "Bezahlt",
        fr: "Payé",
        es: "Pagado",
    }
}

// The same in sentences.
words! {
    /// The hold of an unpaid order has ended.
    fn said_hold_over() {
        en: "The time is over and the tickets go back on sale. Nothing was charged.",
        de: "Die Zeit ist abgelaufen, und die Tickets gehen zurück in den Verkauf. Es wurde nichts abgebucht.",
        fr: "Le temps est écoulé et les billets sont remis en vente. Rien n’a été débité.",
        es: "El tiempo se ha agotado y las entradas vuelven a la venta. No se ha cobrado nada.",
    }
    /// Held.
    fn said_held() {
        en: "Your tickets are reserved. Nothing has been charged yet.",
        de: "Ihre Tickets sind reserviert. Es wurde noch nichts abgebucht.",
        fr: "Vos billets sont réservés. Rien n’a encore été débité.",
        es: "Sus entradas están reservadas. Todavía no se ha cobrado nada.",
    }
    /// The time ended while it was being paid. Behind it stands [`super::Lang::payment_being_cancelled`].
    fn said_time_over() {
        en: "The time is over.",
        de: "Die Zeit ist abgelaufen.",
        fr: "Le temps est écoulé.",
        es: "El tiempo ha terminado.",
    }
    /// Behind it stands what follows from it.
    fn said_declined() {
        en: "The payment was declined.",
        de: "Die Zahlung wurde abgelehnt.",
        fr: "Le paiement a été refusé.",
        es: "El pago ha sido rechazado.",
    }
    /// The bank waits for the buyer.
    fn said_bank_asks() {
        en: "Your bank needs to confirm this payment with you. Your tickets stay reserved meanwhile. If that does not work, you can try another card; you cannot be charged twice.",
        de: "Ihre Bank muss diese Zahlung mit Ihnen bestätigen. Ihre Tickets bleiben so lange reserviert. Wenn das nicht klappt, können Sie eine andere Karte versuchen; es kann nicht doppelt abgebucht werden.",
        fr: "Votre banque doit confirmer ce paiement avec vous. Vos billets restent réservés pendant ce temps. Si cela ne fonctionne pas, vous pouvez essayer une autre carte\u{202f}; vous ne pouvez pas être débité deux fois.",
        es: "Su banco debe confirmar este pago con usted. Mientras tanto, sus entradas siguen reservadas. Si no funciona, puede probar otra tarjeta; no se le puede cobrar dos veces.",
    }
    /// An attempt is being made.
    fn said_paying() {
        en: "We are waiting for the answer to your payment. Your tickets stay reserved meanwhile, and you cannot be charged twice.",
        de: "Wir warten auf die Antwort zu Ihrer Zahlung. Ihre Tickets bleiben so lange reserviert, und es kann nicht doppelt abgebucht werden.",
        fr: "Nous attendons la réponse à votre paiement. Vos billets restent réservés pendant ce temps, et vous ne pouvez pas être débité deux fois.",
        es: "Estamos esperando la respuesta a su pago. Mientras tanto, sus entradas siguen reservadas, y no se le puede cobrar dos veces.",
    }
    /// Canceling. Behind it stands [`super::Lang::payment_being_cancelled`].
    fn said_canceling() {
        en: "This order is being cancelled.",
        de: "Diese Bestellung wird storniert.",
        fr: "Cette commande est en cours d’annulation.",
        es: "Este pedido se está cancelando.",
    }
    /// Of a payment that is given up while it may still be approved.
    fn payment_being_cancelled() {
        en: "The payment that was begun is being cancelled. If your bank shows a reservation of the amount, it is released. Should the money have been taken already, the order's page says what became of it.",
        de: "Die begonnene Zahlung wird storniert. Falls Ihre Bank den Betrag vorgemerkt hat, wird er freigegeben. Sollte das Geld schon eingezogen worden sein, steht auf der Seite der Bestellung, was damit geschehen ist.",
        fr: "Le paiement commencé est en cours d’annulation. Si votre banque affiche un montant réservé, il sera libéré. Si l’argent a déjà été prélevé, la page de la commande indique ce qu’il est devenu.",
        es: "El pago iniciado se está cancelando. Si su banco muestra el importe retenido, se liberará. Si el dinero ya se hubiera cobrado, la página del pedido indica qué ha sido de él.",
    }
    /// Committed.
    fn said_committed() {
        en: "Your payment is approved and the tickets are kept for you. The money is being taken, and then the tickets appear here.",
        de: "Ihre Zahlung ist genehmigt, und die Tickets sind Ihnen sicher. Das Geld wird gerade eingezogen, dann erscheinen die Tickets hier.",
        fr: "Votre paiement est accepté et les billets vous sont gardés. Le montant est en cours de prélèvement, puis les billets apparaîtront ici.",
        es: "Su pago está aprobado y las entradas están guardadas para usted. El importe se está cobrando; después, las entradas aparecerán aquí.",
    }
    /// Paid, and free.
    fn said_yours() {
        en: "The tickets are yours.",
        de: "Die Tickets gehören Ihnen.",
        fr: "Les billets sont à vous.",
        es: "Las entradas son suyas.",
    }
    /// Paid, and a part refunded.
    fn said_partly_refunded() {
        en: "Paid, and partly refunded. The tickets below that are still valid are yours.",
        de: "Bezahlt und teilweise erstattet. Die noch gültigen Tickets unten gehören Ihnen.",
        fr: "Payé, et remboursé en partie. Les billets ci-dessous encore valables sont à vous.",
        es: "Pagado y reembolsado en parte. Las entradas de abajo que siguen siendo válidas son suyas.",
    }
    /// Paid.
    fn said_paid() {
        en: "Paid. The tickets are yours.",
        de: "Bezahlt. Die Tickets gehören Ihnen.",
        fr: "Payé. Les billets sont à vous.",
        es: "Pagado. Las entradas son suyas.",
    }
    /// Refunding.
    fn said_refunding() {
        en: "The money for the refunded tickets is on its way back. They are no longer valid.",
        de: "Das Geld für die erstatteten Tickets ist auf dem Weg zurück. Sie sind nicht mehr gültig.",
        fr: "L’argent des billets remboursés est en route vers vous. Ils ne sont plus valables.",
        es: "El dinero de las entradas reembolsadas está en camino de vuelta. Ya no son válidas.",
    }
    /// Refunding: a sum, and no tickets.
    fn said_refunding_amount() {
        en: "A part of the money is on its way back. Your tickets that are still valid stay valid.",
        de: "Ein Teil des Geldes ist auf dem Weg zurück. Ihre noch gültigen Tickets bleiben gültig.",
        fr: "Une partie de l’argent est en route vers vous. Vos billets encore valables le restent.",
        es: "Una parte del dinero está en camino de vuelta. Sus entradas que aún son válidas lo siguen siendo.",
    }
    /// Refunded, and less came back than was paid.
    fn said_not_all_sent_back() {
        en: "The tickets are no longer valid, and not all of the money could be sent back so far. Please ask the organiser.",
        de: "Die Tickets sind nicht mehr gültig, und bisher konnte nicht das ganze Geld zurückgeschickt werden. Bitte wenden Sie sich an den Veranstalter.",
        fr: "Les billets ne sont plus valables, et tout l’argent n’a pas encore pu être renvoyé. Veuillez vous adresser à l’organisateur.",
        es: "Las entradas ya no son válidas y hasta ahora no se ha podido devolver todo el dinero. Consulte al organizador.",
    }
    /// Refunded.
    fn said_refunded() {
        en: "Refunded. The tickets are no longer valid.",
        de: "Erstattet. Die Tickets sind nicht mehr gültig.",
        fr: "Remboursé. Les billets ne sont plus valables.",
        es: "Reembolsado. Las entradas ya no son válidas.",
    }
    /// Released before its time.
    fn said_cancelled() {
        en: "The order was cancelled. Your tickets went back on sale and nothing was charged.",
        de: "Die Bestellung wurde storniert. Ihre Tickets sind wieder im Verkauf, und es wurde nichts abgebucht.",
        fr: "La commande a été annulée. Vos billets ont été remis en vente et rien n’a été débité.",
        es: "El pedido se ha cancelado. Sus entradas han vuelto a la venta y no se ha cobrado nada.",
    }
    /// Released, nobody knows why.
    fn said_released() {
        en: "The time ran out or the order was cancelled. Your tickets went back on sale and nothing was charged.",
        de: "Die Zeit ist abgelaufen, oder die Bestellung wurde storniert. Ihre Tickets sind wieder im Verkauf, und es wurde nichts abgebucht.",
        fr: "Le temps s’est écoulé ou la commande a été annulée. Vos billets ont été remis en vente et rien n’a été débité.",
        es: "El tiempo terminó o el pedido se ha cancelado. Sus entradas han vuelto a la venta y no se ha cobrado nada.",
    }
    /// Behind that, if a payment was begun.
    fn said_bank_releases() {
        en: "If your bank shows a reservation of the amount, it is released.",
        de: "Falls Ihre Bank den Betrag vorgemerkt hat, wird er freigegeben.",
        fr: "Si votre banque affiche un montant réservé, il sera libéré.",
        es: "Si su banco muestra el importe retenido, se liberará.",
    }
    /// Void.
    fn said_void() {
        en: "The approval of your payment ended before the money was taken. Nothing was charged and the tickets went back on sale.",
        de: "Die Autorisierung Ihrer Zahlung ist abgelaufen, bevor das Geld eingezogen wurde. Es wurde nichts abgebucht, und die Tickets sind wieder im Verkauf.",
        fr: "L’autorisation de votre paiement a expiré avant le prélèvement. Rien n’a été débité et les billets ont été remis en vente.",
        es: "La autorización de su pago terminó antes de cobrarse el importe. No se ha cobrado nada y las entradas han vuelto a la venta.",
    }
    /// Money was taken for what has no tickets, and is here.
    fn said_money_not_all_back() {
        en: "There are no tickets for this order, and its places went back on sale. Money was taken for it all the same, and not all of it could be sent back so far; the organiser has been told. Please ask the organiser.",
        de: "Für diese Bestellung gibt es keine Tickets; die Plätze sind wieder im Verkauf. Trotzdem wurde Geld dafür eingezogen, und bisher konnte nicht alles zurückgeschickt werden; der Veranstalter weiß Bescheid. Bitte wenden Sie sich an den Veranstalter.",
        fr: "Il n’y a pas de billets pour cette commande et ses places ont été remises en vente. De l’argent a tout de même été prélevé, et tout n’a pas encore pu être renvoyé\u{202f}; l’organisateur en est informé. Veuillez vous adresser à l’organisateur.",
        es: "Este pedido no tiene entradas y sus plazas han vuelto a la venta. Aun así se cobró dinero, y hasta ahora no se ha podido devolver todo; el organizador está informado. Consulte al organizador.",
    }
    /// The same, and it is under way.
    fn said_money_going_back() {
        en: "There are no tickets for this order, and its places went back on sale. Money was taken for it all the same, and it is being sent back in full.",
        de: "Für diese Bestellung gibt es keine Tickets; die Plätze sind wieder im Verkauf. Trotzdem wurde Geld dafür eingezogen, und es wird gerade vollständig zurückgeschickt.",
        fr: "Il n’y a pas de billets pour cette commande et ses places ont été remises en vente. De l’argent a tout de même été prélevé, et il est en train d’être renvoyé en totalité.",
        es: "Este pedido no tiene entradas y sus plazas han vuelto a la venta. Aun así se cobró dinero, y se está devolviendo por completo.",
    }
    /// The same, and it is back.
    fn said_money_back() {
        en: "There are no tickets for this order, and its places went back on sale. Money was taken for it all the same, and it was sent back.",
        de: "Für diese Bestellung gibt es keine Tickets; die Plätze sind wieder im Verkauf. Trotzdem wurde Geld dafür eingezogen, und es wurde zurückgeschickt.",
        fr: "Il n’y a pas de billets pour cette commande et ses places ont été remises en vente. De l’argent a tout de même été prélevé, et il a été renvoyé.",
        es: "Este pedido no tiene entradas y sus plazas han vuelto a la venta. Aun así se cobró dinero, y se ha devuelto.",
    }
    /// A refund failed.
    fn said_refund_failed(amount: &str) {
        en: format!("A refund of {amount} did not arrive. The money is still here and due to you; the organiser knows, and will send it again or in another way."),
        de: format!("Eine Erstattung von {amount} ist nicht angekommen. Das Geld ist noch hier und steht Ihnen zu; der Veranstalter weiß Bescheid und wird es erneut oder auf anderem Weg schicken."),
        fr: format!("Un remboursement de {amount} n’est pas arrivé. L’argent est toujours ici et vous est dû\u{202f}; l’organisateur le sait et le renverra, de la même façon ou autrement."),
        es: format!("Un reembolso de {amount} no llegó. El dinero sigue aquí y le corresponde; el organizador lo sabe y lo enviará de nuevo o de otra forma."),
    }
    /// The cardholder's bank disputes the payment; `status` is the provider's word.
    fn said_disputed(amount: &str, status: &str) {
        en: format!("Paid, but {amount} of it is disputed at the cardholder's bank ({status}). The tickets below are valid unless the organiser says otherwise."),
        de: format!("Bezahlt, aber {amount} davon werden bei der Bank des Karteninhabers beanstandet ({status}). Die Tickets unten sind gültig, sofern der Veranstalter nichts anderes sagt."),
        fr: format!("Payé, mais {amount} sont contestés auprès de la banque du titulaire de la carte ({status}). Les billets ci-dessous sont valables, sauf avis contraire de l’organisateur."),
        es: format!("Pagado, pero {amount} están en disputa en el banco del titular de la tarjeta ({status}). Las entradas de abajo son válidas, salvo que el organizador diga lo contrario."),
    }
    /// The provider is out of reach; `charged`: something may have been.
    fn said_out_of_reach(charged: bool) {
        en: format!("The payment provider does not answer at the moment.{} Your tickets stay reserved, and your time does not run out meanwhile. We go on by ourselves as soon as it answers; you cannot be charged twice.", if charged { "" } else { " Nothing has been charged." }),
        de: format!("Der Zahlungsdienst antwortet im Moment nicht.{} Ihre Tickets bleiben reserviert, und Ihre Zeit läuft so lange nicht ab. Sobald er antwortet, geht es von selbst weiter; es kann nicht doppelt abgebucht werden.", if charged { "" } else { " Es wurde nichts abgebucht." }),
        fr: format!("Le prestataire de paiement ne répond pas pour l’instant.{} Vos billets restent réservés et votre temps ne s’écoule pas pendant ce temps. Nous reprenons de nous-mêmes dès qu’il répond\u{202f}; vous ne pouvez pas être débité deux fois.", if charged { "" } else { " Rien n’a été débité." }),
        es: format!("El proveedor de pagos no responde en este momento.{} Sus entradas siguen reservadas y su tiempo no corre mientras tanto. Continuamos por nosotros mismos en cuanto responda; no se le puede cobrar dos veces.", if charged { "" } else { " No se ha cobrado nada." }),
    }
    /// Many pay at once. `wait` as `seconds` or `minutes` tell it; `at_least`: it may take longer.
    fn said_in_line(wait: &str, at_least: bool, charged: bool) {
        en: format!("Many are paying at this moment. You are in line, for {} {wait}. Your tickets are safe: nobody can take them, and your time does not run out until it is your turn.{}", if at_least { "at least" } else { "about" }, if charged { "" } else { " Nothing has been charged yet." }),
        de: format!("Im Moment bezahlen viele. Sie sind in der Warteschlange; Wartezeit: {} {wait}. Ihre Tickets sind sicher: Niemand kann sie Ihnen nehmen, und Ihre Zeit läuft nicht ab, bis Sie an der Reihe sind.{}", if at_least { "mindestens" } else { "etwa" }, if charged { "" } else { " Es wurde noch nichts abgebucht." }),
        fr: format!("Beaucoup de personnes paient en ce moment. Vous êtes dans la file d’attente\u{202f}; comptez {} {wait}. Vos billets sont en sécurité\u{a0}: personne ne peut les prendre, et votre temps ne s’écoule pas avant que ce soit votre tour.{}", if at_least { "au moins" } else { "environ" }, if charged { "" } else { " Rien n’a encore été débité." }),
        es: format!("Muchas personas están pagando en este momento. Está en la cola; tiempo de espera: {} {wait}. Sus entradas están seguras: nadie puede quitárselas, y su tiempo no corre hasta que sea su turno.{}", if at_least { "al menos" } else { "aproximadamente" }, if charged { "" } else { " Todavía no se ha cobrado nada." }),
    }
    /// After a decline: the page of a bank that was left may still pay.
    fn left_bank_may_pay() {
        en: "If you left a bank's page before and finish it after all, that may still pay this order, once.",
        de: "Falls Sie vorher die Seite einer Bank verlassen haben und sie doch noch abschließen, kann das diese Bestellung noch bezahlen, aber nur einmal.",
        fr: "Si vous avez quitté la page d’une banque et que vous la terminez finalement, cela peut encore régler cette commande, une seule fois.",
        es: "Si dejó la página de un banco y la completa después de todo, eso todavía puede pagar este pedido, una sola vez.",
    }
    /// After a decline.
    fn nothing_was_charged() {
        en: "Nothing was charged.",
        de: "Es wurde nichts abgebucht.",
        fr: "Rien n’a été débité.",
        es: "No se ha cobrado nada.",
    }
    /// After a payment that could not be made at all.
    fn reserved_until_time_over() {
        en: "Your tickets stay reserved until the time is over.",
        de: "Ihre Tickets bleiben reserviert, bis die Zeit abgelaufen ist.",
        fr: "Vos billets restent réservés jusqu’à la fin du temps imparti.",
        es: "Sus entradas siguen reservadas hasta que termine el tiempo.",
    }
    /// After a decline.
    fn may_try_again() {
        en: "Your tickets are still reserved: you can try again, with another card if you like.",
        de: "Ihre Tickets sind weiterhin reserviert: Sie können es noch einmal versuchen, auch mit einer anderen Karte.",
        fr: "Vos billets sont toujours réservés\u{a0}: vous pouvez réessayer, avec une autre carte si vous voulez.",
        es: "Sus entradas siguen reservadas: puede intentarlo de nuevo, con otra tarjeta si lo desea.",
    }
    /// After the last decline.
    fn takes_no_more_cards(count: u64) {
        en: format!("{count} cards were tried for this order, and it takes no more. Cancel this reservation to order again at once; else it ends when the time is over."),
        de: format!("Für diese Bestellung wurden {count} {} versucht, mehr sind nicht möglich. Stornieren Sie diese Reservierung, um sofort neu zu bestellen; sonst endet sie, wenn die Zeit abgelaufen ist.", one(count, "Karte", "Karten")),
        fr: format!("{count} {} pour cette commande, et elle n’en accepte pas davantage. Annulez cette réservation pour commander de nouveau tout de suite\u{202f}; sinon, elle prend fin quand le temps est écoulé.", one_fr(count, "carte a été essayée", "cartes ont été essayées")),
        es: format!("{} {count} {} para este pedido y no admite más. Cancele esta reserva para volver a pedir enseguida; si no, termina cuando se acabe el tiempo.", one(count, "Se probó", "Se probaron"), one(count, "tarjeta", "tarjetas")),
    }
}

// Why a card was declined. Stripe's messages for cardholders are in English.
words! {
    /// 3-D Secure failed.
    fn declined_not_confirmed() {
        en: "Your bank did not confirm that it is you (3-D Secure).",
        de: "Ihre Bank hat nicht bestätigt, dass Sie es sind (3-D Secure).",
        fr: "Votre banque n’a pas confirmé votre identité (3-D Secure).",
        es: "Su banco no confirmó que es usted (3-D Secure).",
    }
    /// No reason is known, or none that can be told in another language.
    fn declined_card() {
        en: "The bank did not accept the card.",
        de: "Die Bank hat die Karte nicht akzeptiert.",
        fr: "La banque n’a pas accepté la carte.",
        es: "El banco no aceptó la tarjeta.",
    }
    /// Too little money.
    fn declined_funds() {
        en: "Your card has insufficient funds.",
        de: "Ihre Karte ist nicht ausreichend gedeckt.",
        fr: "Le solde de votre carte est insuffisant.",
        es: "Su tarjeta no tiene fondos suficientes.",
    }
    /// Expired.
    fn declined_expired() {
        en: "Your card has expired.",
        de: "Ihre Karte ist abgelaufen.",
        fr: "Votre carte a expiré.",
        es: "Su tarjeta ha caducado.",
    }
    /// A wrong security code.
    fn declined_code() {
        en: "Your card's security code is incorrect.",
        de: "Die Prüfziffer Ihrer Karte ist falsch.",
        fr: "Le code de sécurité de votre carte est incorrect.",
        es: "El código de seguridad de su tarjeta es incorrecto.",
    }
    /// A wrong number.
    fn declined_number() {
        en: "Your card number is incorrect.",
        de: "Ihre Kartennummer ist falsch.",
        fr: "Le numéro de votre carte est incorrect.",
        es: "El número de su tarjeta es incorrecto.",
    }
    /// A kind of card or of purchase that is not taken.
    fn declined_kind() {
        en: "Your card does not support this type of purchase.",
        de: "Ihre Karte ist für diese Art von Kauf nicht zugelassen.",
        fr: "Votre carte ne permet pas ce type d’achat.",
        es: "Su tarjeta no admite este tipo de compra.",
    }
    /// The bank could not decide.
    fn declined_trouble() {
        en: "An error occurred while processing your card. Try again in a little bit.",
        de: "Bei der Verarbeitung Ihrer Karte ist ein Fehler aufgetreten. Bitte versuchen Sie es gleich noch einmal.",
        fr: "Une erreur s’est produite lors du traitement de votre carte. Réessayez dans un instant.",
        es: "Se produjo un error al procesar su tarjeta. Inténtelo de nuevo dentro de un momento.",
    }
    /// Declined without more.
    fn declined_plainly() {
        en: "Your card was declined.",
        de: "Ihre Karte wurde abgelehnt.",
        fr: "Votre carte a été refusée.",
        es: "Su tarjeta ha sido rechazada.",
    }
}

impl Lang {
    /// Why an attempt was declined. `reason` is what the provider said, in English; in English it is told as it
    /// is, else by its class (<https://docs.stripe.com/error-codes>).
    pub fn decline_reason(self, reason: &str) -> Words {
        if self == Lang::En {
            return Words::from(reason.to_owned());
        }
        let lower = reason.to_ascii_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        if says(&["3-d secure", "authenticat", "did not confirm"]) {
            self.declined_not_confirmed()
        } else if says(&["insufficient fund"]) {
            self.declined_funds()
        } else if says(&["expired", "expiration"]) {
            self.declined_expired()
        } else if says(&["security code"]) {
            self.declined_code()
        } else if says(&["card number", "number is"]) {
            self.declined_number()
        } else if says(&["not support"]) {
            self.declined_kind()
        } else if says(&["error occurred", "processing"]) {
            self.declined_trouble()
        } else if says(&["declined"]) {
            self.declined_plainly()
        } else {
            self.declined_card()
        }
    }
}

// The rest of the order's page.
words! {
    /// Before the end of a hold.
    fn reserved_until(day: bool) {
        en: "Reserved for you until",
        de: "Für Sie reserviert bis",
        fr: if day { "Réservé pour vous jusqu’au" } else { "Réservé pour vous jusqu’à" },
        es: if day { "Reservado para usted hasta el" } else { "Reservado para usted hasta las" },
    }
    /// To a browser that keeps no cookies. Behind it stands [`super::Lang::keep_address_why`].
    fn keep_address() {
        en: "Keep the address of this page before you pay.",
        de: "Bewahren Sie die Adresse dieser Seite auf, bevor Sie bezahlen.",
        fr: "Conservez l’adresse de cette page avant de payer.",
        es: "Guarde la dirección de esta página antes de pagar.",
    }
    /// Why.
    fn keep_address_why() {
        en: "Your tickets will be here, and your browser does not remember it for you: bookmark this page, or copy its address.",
        de: "Ihre Tickets erscheinen hier, und Ihr Browser merkt sich das nicht für Sie: Setzen Sie ein Lesezeichen oder kopieren Sie die Adresse.",
        fr: "Vos billets seront ici, et votre navigateur ne s’en souviendra pas pour vous\u{a0}: ajoutez cette page à vos favoris ou copiez son adresse.",
        es: "Sus entradas estarán aquí y su navegador no lo recordará por usted: guarde esta página en marcadores o copie su dirección.",
    }
    /// On a ticket of the sandbox.
    fn test_ticket() {
        en: "Test ticket: no real money was paid.",
        de: "Testticket: Es wurde kein echtes Geld bezahlt.",
        fr: "Billet de test\u{a0}: aucun paiement réel n’a été effectué.",
        es: "Entrada de prueba: no se pagó dinero real.",
    }
    /// On a ticket that is not valid any more.
    fn ticket_refunded() {
        en: "Refunded, no longer valid",
        de: "Erstattet, nicht mehr gültig",
        fr: "Remboursé, n’est plus valable",
        es: "Reembolsada, ya no es válida",
    }
    /// The link to the calendar file.
    fn add_to_calendar() {
        en: "Add to calendar",
        de: "In den Kalender eintragen",
        fr: "Ajouter à l’agenda",
        es: "Añadir al calendario",
    }
    /// A button.
    fn print_tickets() {
        en: "Print the tickets",
        de: "Tickets drucken",
        fr: "Imprimer les billets",
        es: "Imprimir las entradas",
    }
    /// Above the table of what is ordered.
    fn your_order() {
        en: "Your order",
        de: "Ihre Bestellung",
        fr: "Votre commande",
        es: "Su pedido",
    }
    /// A column.
    fn ticket() {
        en: "Ticket",
        de: "Ticket",
        fr: "Billet",
        es: "Entrada",
    }
    /// A column: how many.
    fn quantity() {
        en: "Number",
        de: "Anzahl",
        fr: "Nombre",
        es: "Cantidad",
    }
    /// A column.
    fn price_column() {
        en: "Price",
        de: "Preis",
        fr: "Prix",
        es: "Precio",
    }
    /// Behind a kind of ticket that was bought with a code: how much cheaper each is.
    fn code_took(amount: &str) {
        en: format!("(with your code, {amount} off each)"),
        de: format!("(mit Ihrem Code, je {amount} weniger)"),
        fr: format!("(avec votre code, {amount} de moins par billet)"),
        es: format!("(con su código, {amount} menos por entrada)"),
    }
    /// So many of a line are refunded.
    fn so_many_refunded(count: u64) {
        en: format!("({count} refunded)"),
        de: format!("({count} erstattet)"),
        fr: format!("({count} {})", one_fr(count, "remboursé", "remboursés")),
        es: format!("({count} {})", one(count, "reembolsada", "reembolsadas")),
    }
    /// In the place of the buyer.
    fn buyer_erased() {
        en: "The buyer's name and address were erased.",
        de: "Name und Adresse der Käuferin oder des Käufers wurden gelöscht.",
        fr: "Le nom et l’adresse de l’acheteur ont été effacés.",
        es: "Se han borrado el nombre y la dirección del comprador.",
    }
    /// In the place of the name of an erased buyer.
    fn erased_name() {
        en: "erased",
        de: "gelöscht",
        fr: "effacé",
        es: "borrado",
    }
    /// Who ordered.
    fn for_whom(name: &str) {
        en: format!("For {name}"),
        de: format!("Für {name}"),
        fr: format!("Pour {name}"),
        es: format!("Para {name}"),
    }
    /// A link.
    fn continue_to_bank() {
        en: "Continue to your bank",
        de: "Weiter zu Ihrer Bank",
        fr: "Continuer vers votre banque",
        es: "Continuar a su banco",
    }
    /// A link.
    fn try_another_card() {
        en: "Try another card",
        de: "Andere Karte versuchen",
        fr: "Essayer une autre carte",
        es: "Probar otra tarjeta",
    }
    /// A button.
    fn pay_amount(total: &str) {
        en: format!("Pay {total}"),
        de: format!("{total} bezahlen"),
        fr: format!("Payer {total}"),
        es: format!("Pagar {total}"),
    }
    /// The title of a payment page.
    fn pay() {
        en: "Pay",
        de: "Bezahlen",
        fr: "Payer",
        es: "Pagar",
    }
    /// A button.
    fn cancel_reservation() {
        en: "Cancel this reservation",
        de: "Diese Reservierung stornieren",
        fr: "Annuler cette réservation",
        es: "Cancelar esta reserva",
    }
    /// A button.
    fn change_order() {
        en: "Change this order",
        de: "Diese Bestellung ändern",
        fr: "Modifier cette commande",
        es: "Cambiar este pedido",
    }
    /// A link to the event.
    fn order_again() {
        en: "Order again",
        de: "Neu bestellen",
        fr: "Commander de nouveau",
        es: "Pedir de nuevo",
    }
    /// At the end of an order's page.
    fn address_is_key() {
        en: "The address of this page is the key to your order: keep it, and show it to nobody.",
        de: "Die Adresse dieser Seite ist der Schlüssel zu Ihrer Bestellung: Bewahren Sie sie auf, und zeigen Sie sie niemandem.",
        fr: "L’adresse de cette page est la clé de votre commande\u{a0}: conservez-la et ne la montrez à personne.",
        es: "La dirección de esta página es la clave de su pedido: guárdela y no se la enseñe a nadie.",
    }
    /// A link back.
    fn back_to_order() {
        en: "Back to your order",
        de: "Zurück zu Ihrer Bestellung",
        fr: "Retour à votre commande",
        es: "Volver a su pedido",
    }
    /// A link back.
    fn back_to_payment() {
        en: "Back to the payment",
        de: "Zurück zur Zahlung",
        fr: "Retour au paiement",
        es: "Volver al pago",
    }
    /// A link back.
    fn back_to_event(event: &str) {
        en: format!("Back to {event}"),
        de: format!("Zurück zu {event}"),
        fr: format!("Retour à {event}"),
        es: format!("Volver a {event}"),
    }
    /// In the calendar file.
    fn tickets_on_order_page() {
        en: "Your tickets are on the page of your order.",
        de: "Ihre Tickets sind auf der Seite Ihrer Bestellung.",
        fr: "Vos billets se trouvent sur la page de votre commande.",
        es: "Sus entradas están en la página de su pedido.",
    }
}

// The payment pages.
words! {
    /// Before the name of an event, where nothing else of the order is shown.
    fn for_event(event: &str) {
        en: format!("for {event}"),
        de: format!("für {event}"),
        fr: format!("pour {event}"),
        es: format!("para {event}"),
    }
    /// The sandbox's cards.
    fn choose_sandbox_card() {
        en: "Choose a card of the sandbox",
        de: "Testkarte wählen",
        fr: "Choisissez une carte de test",
        es: "Elija una tarjeta de prueba",
    }
    /// A card of the sandbox.
    fn good_card(total: &str) {
        en: format!("Pay {total} with a good card"),
        de: format!("{total} mit einer gültigen Karte bezahlen"),
        fr: format!("Payer {total} avec une carte valide"),
        es: format!("Pagar {total} con una tarjeta válida"),
    }
    /// A card of the sandbox.
    fn card_with_3ds() {
        en: "A card whose bank asks first (3-D Secure)",
        de: "Eine Karte, deren Bank zuerst nachfragt (3-D Secure)",
        fr: "Une carte dont la banque demande d’abord une confirmation (3-D Secure)",
        es: "Una tarjeta cuyo banco pregunta antes (3-D Secure)",
    }
    /// A card of the sandbox.
    fn slow_card() {
        en: "A card whose bank is slow",
        de: "Eine Karte, deren Bank langsam ist",
        fr: "Une carte dont la banque est lente",
        es: "Una tarjeta cuyo banco es lento",
    }
    /// A card of the sandbox.
    fn declined_test_card() {
        en: "A card that is declined",
        de: "Eine Karte, die abgelehnt wird",
        fr: "Une carte qui est refusée",
        es: "Una tarjeta que se rechaza",
    }
    /// A link to the order.
    fn change_or_cancel() {
        en: "Change or cancel your order",
        de: "Bestellung ändern oder stornieren",
        fr: "Modifier ou annuler votre commande",
        es: "Cambiar o cancelar su pedido",
    }
    /// Where the order itself is not shown.
    fn page_for_payment_alone() {
        en: "This page is for the payment alone. Your order and your tickets are on the page of your order, which opens in the browser in which you ordered.",
        de: "Diese Seite ist nur für die Zahlung. Ihre Bestellung und Ihre Tickets sind auf der Seite Ihrer Bestellung, die sich in dem Browser öffnet, in dem Sie bestellt haben.",
        fr: "Cette page ne sert qu’au paiement. Votre commande et vos billets se trouvent sur la page de votre commande, qui s’ouvre dans le navigateur où vous avez commandé.",
        es: "Esta página es solo para el pago. Su pedido y sus entradas están en la página de su pedido, que se abre en el navegador en el que hizo el pedido.",
    }
    /// The same, once it is paid.
    fn paid_elsewhere() {
        en: "Paid. Your tickets are on the page of your order. This browser does not know it: go back to the browser in which you ordered, and open this address there, or the page of the event.",
        de: "Bezahlt. Ihre Tickets sind auf der Seite Ihrer Bestellung. Dieser Browser kennt sie nicht: Gehen Sie zurück zu dem Browser, in dem Sie bestellt haben, und öffnen Sie dort diese Adresse oder die Seite der Veranstaltung.",
        fr: "Payé. Vos billets se trouvent sur la page de votre commande. Ce navigateur ne la connaît pas\u{a0}: retournez dans le navigateur où vous avez commandé et ouvrez-y cette adresse ou la page de l’événement.",
        es: "Pagado. Sus entradas están en la página de su pedido. Este navegador no la conoce: vuelva al navegador en el que hizo el pedido y abra allí esta dirección o la página del evento.",
    }
    /// Above Stripe's form.
    fn provider_does_not_answer() {
        en: "The payment provider does not answer at the moment. Your tickets stay reserved while you wait for it.",
        de: "Der Zahlungsdienst antwortet im Moment nicht. Ihre Tickets bleiben reserviert, während Sie warten.",
        fr: "Le prestataire de paiement ne répond pas pour l’instant. Vos billets restent réservés pendant que vous attendez.",
        es: "El proveedor de pagos no responde en este momento. Sus entradas siguen reservadas mientras espera.",
    }
    /// Without JavaScript.
    fn stripe_needs_scripts() {
        en: "Your card's number goes to Stripe directly and never to us; for that, Stripe needs JavaScript, and it is switched off here. Nothing is charged by this page without it, and your tickets stay reserved until the time is over.",
        de: "Ihre Kartennummer geht direkt an Stripe und nie an uns; dafür braucht Stripe JavaScript, und das ist hier abgeschaltet. Ohne JavaScript bucht diese Seite nichts ab, und Ihre Tickets bleiben reserviert, bis die Zeit abgelaufen ist.",
        fr: "Le numéro de votre carte va directement à Stripe et jamais chez nous\u{202f}; pour cela, Stripe a besoin de JavaScript, qui est désactivé ici. Sans lui, cette page ne débite rien, et vos billets restent réservés jusqu’à la fin du temps imparti.",
        es: "El número de su tarjeta va directamente a Stripe y nunca a nosotros; para eso Stripe necesita JavaScript, que aquí está desactivado. Sin él, esta página no cobra nada, y sus entradas siguen reservadas hasta que termine el tiempo.",
    }
    /// While Stripe's form loads.
    fn card_form_loads() {
        en: "The card form comes from Stripe, one moment …",
        de: "Das Kartenformular kommt von Stripe, einen Moment …",
        fr: "Le formulaire de carte vient de Stripe, un instant…",
        es: "El formulario de la tarjeta viene de Stripe, un momento…",
    }
    /// Below Stripe's form.
    fn number_goes_to_stripe() {
        en: "Your card's number goes to Stripe directly, never to us.",
        de: "Ihre Kartennummer geht direkt an Stripe, nie an uns.",
        fr: "Le numéro de votre carte va directement à Stripe, jamais chez nous.",
        es: "El número de su tarjeta va directamente a Stripe, nunca a nosotros.",
    }
    /// Where the bank waits for the buyer.
    fn bank_makes_sure() {
        en: "Your bank wants to make sure that it is you. Your tickets stay reserved meanwhile, and you cannot be charged twice.",
        de: "Ihre Bank möchte sichergehen, dass Sie es sind. Ihre Tickets bleiben so lange reserviert, und es kann nicht doppelt abgebucht werden.",
        fr: "Votre banque veut s’assurer qu’il s’agit bien de vous. Vos billets restent réservés pendant ce temps, et vous ne pouvez pas être débité deux fois.",
        es: "Su banco quiere asegurarse de que es usted. Mientras tanto, sus entradas siguen reservadas, y no se le puede cobrar dos veces.",
    }
    /// A script: Stripe's part cannot be reached, and nobody can have paid.
    fn stripe_unreachable() {
        en: "Stripe's part of this page does not answer, so you cannot pay here right now. Nothing was charged and your tickets stay reserved.",
        de: "Der Teil dieser Seite, der von Stripe kommt, antwortet nicht; Sie können hier gerade nicht bezahlen. Es wurde nichts abgebucht, und Ihre Tickets bleiben reserviert.",
        fr: "La partie de cette page fournie par Stripe ne répond pas\u{202f}; vous ne pouvez pas payer ici pour l’instant. Rien n’a été débité et vos billets restent réservés.",
        es: "La parte de esta página que viene de Stripe no responde, así que ahora no puede pagar aquí. No se ha cobrado nada y sus entradas siguen reservadas.",
    }
    /// A script: the same while a bank waits for the buyer, and may say yes without this page.
    fn stripe_unreachable_bank_asks() {
        en: "Stripe's part of this page does not answer, so you cannot pay here right now. Your tickets stay reserved; the page of your order says how it stands.",
        de: "Der Teil dieser Seite, der von Stripe kommt, antwortet nicht; Sie können hier gerade nicht bezahlen. Ihre Tickets bleiben reserviert; wie es steht, sagt die Seite Ihrer Bestellung.",
        fr: "La partie de cette page fournie par Stripe ne répond pas\u{202f}; vous ne pouvez pas payer ici pour l’instant. Vos billets restent réservés\u{202f}; la page de votre commande indique où elle en est.",
        es: "La parte de esta página que viene de Stripe no responde, así que ahora no puede pagar aquí. Sus entradas siguen reservadas; la página de su pedido dice cómo está.",
    }
    /// A script: a button.
    fn load_page_again() {
        en: "Load the page again",
        de: "Seite neu laden",
        fr: "Recharger la page",
        es: "Volver a cargar la página",
    }
    /// A script, behind Stripe's own words.
    fn card_not_used() {
        en: "Your card was not used.",
        de: "Ihre Karte wurde nicht belastet.",
        fr: "Votre carte n’a pas été utilisée.",
        es: "Su tarjeta no se ha utilizado.",
    }
    /// The sandbox's 3-D Secure page.
    fn your_bank() {
        en: "Your bank",
        de: "Ihre Bank",
        fr: "Votre banque",
        es: "Su banco",
    }
    /// The sandbox's 3-D Secure page.
    fn sandbox_bank() {
        en: "The sandbox's bank",
        de: "Die Testbank",
        fr: "La banque de test",
        es: "El banco de prueba",
    }
    /// The sandbox's 3-D Secure page. What stands in asterisks is strong.
    fn want_to_pay(amount: &str) {
        en: format!("Do you want to pay *{amount}*?"),
        de: format!("Möchten Sie *{amount}* bezahlen?"),
        fr: format!("Voulez-vous payer *{amount}*\u{202f}?"),
        es: format!("¿Desea pagar *{amount}*?"),
    }
    /// The sandbox's 3-D Secure page.
    fn yes_it_is_me() {
        en: "Yes, it is me",
        de: "Ja, ich bin es",
        fr: "Oui, c’est moi",
        es: "Sí, soy yo",
    }
    /// The sandbox's 3-D Secure page.
    fn no_refuse_it() {
        en: "No, refuse it",
        de: "Nein, ablehnen",
        fr: "Non, refuser",
        es: "No, rechazarlo",
    }
    /// The sandbox's 3-D Secure page.
    fn or_close_page() {
        en: "Or just close this page: you can try another card on the page of your order, and without one the reservation ends when its time is over.",
        de: "Oder schließen Sie einfach diese Seite: Auf der Seite Ihrer Bestellung können Sie eine andere Karte versuchen; ohne Karte endet die Reservierung, wenn ihre Zeit abgelaufen ist.",
        fr: "Ou fermez simplement cette page\u{a0}: vous pouvez essayer une autre carte sur la page de votre commande, et sans carte la réservation prend fin quand son temps est écoulé.",
        es: "O simplemente cierre esta página: puede probar otra tarjeta en la página de su pedido, y sin ella la reserva termina cuando se acabe su tiempo.",
    }
    /// The sandbox's 3-D Secure page.
    fn waits_no_more() {
        en: "This payment does not wait for your answer any more.",
        de: "Diese Zahlung wartet nicht mehr auf Ihre Antwort.",
        fr: "Ce paiement n’attend plus votre réponse.",
        es: "Este pago ya no espera su respuesta.",
    }
}
