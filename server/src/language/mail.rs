//! What mails say.

use super::{one, one_fr, words};

words! {
    // Subjects.

    /// The tickets of an event.
    fn mail_subject_tickets(count: u64, event: &str) {
        en: format!("Your {}: {event}", one(count, "ticket", "tickets")),
        de: format!("{}: {event}", one(count, "Ihr Ticket", "Ihre Tickets")),
        fr: format!("{}\u{a0}: {event}", one_fr(count, "Votre billet", "Vos billets")),
        es: format!("{}: {event}", one(count, "Su entrada", "Sus entradas")),
    }
    /// The same once more.
    fn mail_subject_again(count: u64, event: &str) {
        en: format!("Your {} once more: {event}", one(count, "ticket", "tickets")),
        de: format!("Noch einmal {}: {event}", one(count, "Ihr Ticket", "Ihre Tickets")),
        fr: format!("{} à nouveau\u{a0}: {event}", one_fr(count, "Votre billet", "Vos billets")),
        es: format!("De nuevo {}: {event}", one(count, "su entrada", "sus entradas")),
    }
    /// Money goes back.
    fn mail_subject_refunded(event: &str) {
        en: format!("Your refund: {event}"),
        de: format!("Ihre Erstattung: {event}"),
        fr: format!("Votre remboursement\u{a0}: {event}"),
        es: format!("Su reembolso: {event}"),
    }
    /// Tickets were taken back that had cost nothing.
    fn mail_subject_returned(count: u64, event: &str) {
        en: format!("Your {} no longer valid: {event}", one(count, "ticket is", "tickets are")),
        de: format!("{} nicht mehr gültig: {event}", one(count, "Ihr Ticket ist", "Ihre Tickets sind")),
        fr: format!("{}\u{a0}: {event}", one_fr(count, "Votre billet n’est plus valable", "Vos billets ne sont plus valables")),
        es: format!("{}: {event}", one(count, "Su entrada ya no es válida", "Sus entradas ya no son válidas")),
    }
    /// A refund came back.
    fn mail_subject_refund_failed(event: &str) {
        en: format!("Your refund did not arrive: {event}"),
        de: format!("Ihre Erstattung kam nicht an: {event}"),
        fr: format!("Votre remboursement n’est pas arrivé\u{a0}: {event}"),
        es: format!("Su reembolso no ha llegado: {event}"),
    }
    /// No tickets for an order.
    fn mail_subject_void(event: &str) {
        en: format!("Your order was not completed: {event}"),
        de: format!("Ihre Bestellung kam nicht zustande: {event}"),
        fr: format!("Votre commande n’a pas abouti\u{a0}: {event}"),
        es: format!("Su pedido no se ha completado: {event}"),
    }
    /// Another date.
    fn mail_subject_moved_date(event: &str) {
        en: format!("New date: {event}"),
        de: format!("Neuer Termin: {event}"),
        fr: format!("Nouvelle date\u{a0}: {event}"),
        es: format!("Nueva fecha: {event}"),
    }
    /// Another place.
    fn mail_subject_moved_place(event: &str) {
        en: format!("New place: {event}"),
        de: format!("Neuer Ort: {event}"),
        fr: format!("Nouveau lieu\u{a0}: {event}"),
        es: format!("Nuevo lugar: {event}"),
    }
    /// Both.
    fn mail_subject_moved_both(event: &str) {
        en: format!("New date and place: {event}"),
        de: format!("Neuer Termin und Ort: {event}"),
        fr: format!("Nouvelle date et nouveau lieu\u{a0}: {event}"),
        es: format!("Nueva fecha y nuevo lugar: {event}"),
    }
    /// It does not take place.
    fn mail_subject_canceled(event: &str) {
        en: format!("Cancelled: {event}"),
        de: format!("Abgesagt: {event}"),
        fr: format!("Annulé\u{a0}: {event}"),
        es: format!("Cancelado: {event}"),
    }
    /// An order has another address.
    fn mail_subject_address(event: &str) {
        en: format!("Another e-mail address: {event}"),
        de: format!("Andere E-Mail-Adresse: {event}"),
        fr: format!("Autre adresse e-mail\u{a0}: {event}"),
        es: format!("Otra dirección de correo: {event}"),
    }
    /// One order was looked for.
    fn mail_subject_lost(event: &str) {
        en: format!("Your order: {event}"),
        de: format!("Ihre Bestellung: {event}"),
        fr: format!("Votre commande\u{a0}: {event}"),
        es: format!("Su pedido: {event}"),
    }
    /// Several orders were looked for; `more` without the first.
    fn mail_subject_lost_more(event: &str, more: u64) {
        en: format!("Your orders: {event} and {more} more"),
        de: format!("Ihre Bestellungen: {event} und {more} weitere"),
        fr: format!("Vos commandes\u{a0}: {event} et {more} {}", one_fr(more, "autre", "autres")),
        es: format!("Sus pedidos: {event} y {more} más"),
    }

    // Above the name of the event.

    /// Tickets.
    fn mail_your_tickets(count: u64) {
        en: one(count, "Your ticket", "Your tickets"),
        de: one(count, "Ihr Ticket", "Ihre Tickets"),
        fr: one_fr(count, "Votre billet", "Vos billets"),
        es: one(count, "Su entrada", "Sus entradas"),
    }
    /// Money back.
    fn mail_your_refund() {
        en: "Your refund",
        de: "Ihre Erstattung",
        fr: "Votre remboursement",
        es: "Su reembolso",
    }
    /// Another date.
    fn mail_new_date() {
        en: "New date",
        de: "Neuer Termin",
        fr: "Nouvelle date",
        es: "Nueva fecha",
    }
    /// Another place.
    fn mail_new_place() {
        en: "New place",
        de: "Neuer Ort",
        fr: "Nouveau lieu",
        es: "Nuevo lugar",
    }
    /// Both.
    fn mail_new_date_and_place() {
        en: "New date and place",
        de: "Neuer Termin und Ort",
        fr: "Nouvelle date et nouveau lieu",
        es: "Nueva fecha y nuevo lugar",
    }
    /// It does not take place.
    fn mail_canceled_head() {
        en: "Cancelled",
        de: "Abgesagt",
        fr: "Annulé",
        es: "Cancelado",
    }
    /// Orders that were looked for.
    fn mail_your_orders(count: u64) {
        en: one(count, "Your order", "Your orders"),
        de: one(count, "Ihre Bestellung", "Ihre Bestellungen"),
        fr: one_fr(count, "Votre commande", "Vos commandes"),
        es: one(count, "Su pedido", "Sus pedidos"),
    }

    // The tickets.

    /// To a buyer.
    fn mail_hello(name: &str) {
        en: format!("Hello {name},"),
        de: format!("Guten Tag {name}!"),
        fr: format!("Bonjour {name},"),
        es: format!("Hola, {name}:"),
    }
    /// What to do with the codes.
    fn mail_here_are(count: u64) {
        en: one(count,
            "Here is your ticket. Show its code at the entrance, on your phone or printed.",
            "Here are your tickets. Show a code for each person at the entrance, on your phone or printed."),
        de: one(count,
            "Hier ist Ihr Ticket. Zeigen Sie den Code am Einlass, auf dem Handy oder ausgedruckt.",
            "Hier sind Ihre Tickets. Zeigen Sie am Einlass für jede Person einen Code, auf dem Handy oder ausgedruckt."),
        fr: one_fr(count,
            "Voici votre billet. Présentez son code à l’entrée, sur votre téléphone ou imprimé.",
            "Voici vos billets. Présentez à l’entrée un code par personne, sur votre téléphone ou imprimé."),
        es: one(count,
            "Aquí tiene su entrada. Muestre el código en el acceso, en el móvil o impreso.",
            "Aquí tiene sus entradas. Muestre en el acceso un código por persona, en el móvil o impreso."),
    }
    /// The words of a picture.
    fn qr_code_of(code: &str) {
        en: format!("QR code {code}"),
        de: format!("QR-Code {code}"),
        fr: format!("Code QR {code}"),
        es: format!("Código QR {code}"),
    }
    /// Those that do not fit into a mail.
    fn mail_more_tickets(count: u64) {
        en: format!("{count} more {} on the page of your order.", one(count, "ticket is", "tickets are")),
        de: format!("{count} {} auf der Seite Ihrer Bestellung.", one(count, "weiteres Ticket steht", "weitere Tickets stehen")),
        fr: format!("{count} {} sur la page de votre commande.", one_fr(count, "autre billet se trouve", "autres billets se trouvent")),
        es: format!("{count} {} en la página de su pedido.", one(count, "entrada más está", "entradas más están")),
    }
    /// Where everything is.
    fn mail_open_order() {
        en: "Open your order",
        de: "Bestellung öffnen",
        fr: "Ouvrir votre commande",
        es: "Abrir su pedido",
    }
    /// What the button's address is.
    fn mail_link_is_key() {
        en: "This link opens your order without a password. Keep it to yourself.",
        de: "Dieser Link öffnet Ihre Bestellung ohne Passwort. Behalten Sie ihn für sich.",
        fr: "Ce lien ouvre votre commande sans mot de passe. Gardez-le pour vous.",
        es: "Este enlace abre su pedido sin contraseña. No lo comparta.",
    }
    /// What was paid where nothing was.
    fn mail_free() {
        en: "Nothing (free of charge)",
        de: "Nichts (kostenlos)",
        fr: "Rien (gratuit)",
        es: "Nada (gratis)",
    }

    /// A name before its value, or a label before an address.
    fn mail_label(name: &str) {
        en: format!("{name}:"),
        de: format!("{name}:"),
        fr: format!("{name}\u{a0}:"),
        es: format!("{name}:"),
    }

    // Of the event.

    /// When it was to be.
    fn mail_when_before() {
        en: "Previous date",
        de: "Bisheriger Termin",
        fr: "Ancienne date",
        es: "Fecha anterior",
    }
    /// Where it was to be.
    fn mail_where_before() {
        en: "Previous place",
        de: "Bisheriger Ort",
        fr: "Ancien lieu",
        es: "Lugar anterior",
    }
    /// Whom to ask.
    fn mail_questions(contact: &str) {
        en: format!("Questions? Write to {contact}, or simply reply to this mail."),
        de: format!("Fragen? Schreiben Sie an {contact}, oder antworten Sie einfach auf diese E-Mail."),
        fr: format!("Des questions\u{202f}? Écrivez à {contact}, ou répondez simplement à ce message."),
        es: format!("¿Tiene alguna pregunta? Escriba a {contact} o simplemente responda a este correo."),
    }
    /// The same on a page.
    fn page_questions() {
        en: "Questions? Write to",
        de: "Fragen? Schreiben Sie an",
        fr: "Des questions\u{202f}? Écrivez à",
        es: "¿Tiene alguna pregunta? Escriba a",
    }
    /// No money moves here.
    fn mail_test_mode() {
        en: "Test mode: no real money moves, and the tickets are not real.",
        de: "Testmodus: Es fließt kein echtes Geld, und die Tickets sind nicht echt.",
        fr: "Mode test\u{a0}: aucun paiement réel n’est effectué et les billets ne sont pas réels.",
        es: "Modo de prueba: no se mueve dinero real y las entradas no son reales.",
    }
    /// Why somebody gets a mail; `site`: a host.
    fn mail_why(site: &str) {
        en: format!("You get this mail because this address was given for an order at {site}."),
        de: format!("Sie erhalten diese E-Mail, weil diese Adresse bei einer Bestellung auf {site} angegeben wurde."),
        fr: format!("Vous recevez ce message parce que cette adresse a été donnée pour une commande sur {site}."),
        es: format!("Recibe este correo porque esta dirección se indicó en un pedido en {site}."),
    }

    // Refunds.

    /// All of an order.
    fn mail_refund_all(amount: &str) {
        en: format!("Your order was refunded in full: {amount} goes back to you."),
        de: format!("Ihre Bestellung wird vollständig erstattet: Sie erhalten {amount} zurück."),
        fr: format!("Votre commande est intégralement remboursée. Montant remboursé\u{a0}: {amount}."),
        es: format!("Su pedido se reembolsa por completo: le devolvemos {amount}."),
    }
    /// A part of it.
    fn mail_refund_part(amount: &str, total: &str) {
        en: format!("A part of your order was refunded: {amount} of {total} goes back to you."),
        de: format!("Ein Teil Ihrer Bestellung wird erstattet: Sie erhalten {amount} von {total} zurück."),
        fr: format!("Une partie de votre commande est remboursée. Montant remboursé\u{a0}: {amount} sur {total}."),
        es: format!("Se reembolsa una parte de su pedido: le devolvemos {amount} de {total}."),
    }
    /// When the money is there.
    fn mail_refund_when() {
        en: "The money goes back to the card or account that paid for the order. Depending on the bank, this takes 5 to 10 working days.",
        de: "Das Geld geht dorthin zurück, woher die Zahlung kam: auf Ihre Karte oder Ihr Konto. Je nach Bank dauert das 5 bis 10 Werktage.",
        fr: "L’argent revient sur la carte ou le compte qui a servi au paiement. Selon la banque, il arrive sous 5 à 10 jours ouvrés.",
        es: "El dinero vuelve a la tarjeta o cuenta con la que se pagó. Según el banco, llega en un plazo de 5 a 10 días hábiles.",
    }
    /// How the money of an order comes back that was paid in cash.
    fn mail_refund_in_cash() {
        en: "You paid in cash, so the organiser hands the money back in cash.",
        de: "Sie haben bar bezahlt, deshalb gibt Ihnen der Veranstalter das Geld bar zurück.",
        fr: "Vous avez payé en espèces\u{202f}; l’organisateur vous rend l’argent en espèces.",
        es: "Usted pagó en efectivo, así que el organizador le devuelve el dinero en efectivo.",
    }
    /// How the money of an order comes back that was paid by a card terminal.
    fn mail_refund_at_terminal() {
        en: "You paid at the organiser’s card terminal, so the organiser returns the money to your card there.",
        de: "Sie haben am Kartenterminal des Veranstalters bezahlt, deshalb bucht er das Geld dort auf Ihre Karte zurück.",
        fr: "Vous avez payé au terminal de l’organisateur\u{202f}; il y recrédite votre carte.",
        es: "Usted pagó en el datáfono del organizador, así que este devuelve el dinero allí a su tarjeta.",
    }
    /// What they were.
    fn mail_refund_of() {
        en: "Refunded tickets",
        de: "Erstattete Tickets",
        fr: "Billets remboursés",
        es: "Entradas reembolsadas",
    }
    /// No ticket is left.
    fn mail_none_valid(count: u64) {
        en: one(count, "Your ticket is no longer valid.", "Your tickets are no longer valid."),
        de: one(count, "Ihr Ticket ist nicht mehr gültig.", "Ihre Tickets sind nicht mehr gültig."),
        fr: one_fr(count, "Votre billet n’est plus valable.", "Vos billets ne sont plus valables."),
        es: one(count, "Su entrada ya no es válida.", "Sus entradas ya no son válidas."),
    }
    /// Some are.
    fn mail_some_valid(left: u64) {
        en: format!("The refunded tickets are no longer valid. {left} {} valid.", one(left, "ticket of your order stays", "tickets of your order stay")),
        de: format!("Die erstatteten Tickets sind nicht mehr gültig. {left} {} gültig.", one(left, "Ticket Ihrer Bestellung bleibt", "Tickets Ihrer Bestellung bleiben")),
        fr: format!("Les billets remboursés ne sont plus valables. {left} {}.", one_fr(left, "billet de votre commande reste valable", "billets de votre commande restent valables")),
        es: format!("Las entradas reembolsadas ya no son válidas. {left} {}.", one(left, "entrada de su pedido sigue siendo válida", "entradas de su pedido siguen siendo válidas")),
    }
    /// All are.
    fn mail_still_valid(count: u64) {
        en: one(count, "Your ticket stays valid.", "Your tickets stay valid."),
        de: one(count, "Ihr Ticket bleibt gültig.", "Ihre Tickets bleiben gültig."),
        fr: one_fr(count, "Votre billet reste valable.", "Vos billets restent valables."),
        es: one(count, "Su entrada sigue siendo válida.", "Sus entradas siguen siendo válidas."),
    }
    /// Tickets that had cost nothing.
    fn mail_returned() {
        en: "Tickets of your order were taken back. They were free, so there is nothing to refund.",
        de: "Tickets Ihrer Bestellung wurden zurückgenommen. Sie waren kostenlos, deshalb ist nichts zu erstatten.",
        fr: "Des billets de votre commande ont été repris. Ils étaient gratuits\u{a0}: il n’y a donc rien à rembourser.",
        es: "Se han retirado entradas de su pedido. Eran gratuitas, así que no hay nada que reembolsar.",
    }
    /// A refund that came back.
    fn mail_refund_failed(amount: &str) {
        en: format!("A refund of {amount} did not arrive: the bank did not take it. The money is still due to you. The organiser knows, and will send it again or in another way."),
        de: format!("Eine Erstattung von {amount} kam nicht an: Die Bank hat sie nicht angenommen. Das Geld steht Ihnen weiterhin zu. Der Veranstalter weiß davon und sendet es noch einmal oder auf anderem Weg."),
        fr: format!("Un remboursement de {amount} n’est pas arrivé\u{a0}: la banque ne l’a pas accepté. L’argent vous reste dû. L’organisateur en est informé et l’enverra à nouveau ou autrement."),
        es: format!("Un reembolso de {amount} no ha llegado: el banco no lo aceptó. Se le sigue debiendo el dinero. El organizador lo sabe y lo enviará de nuevo o de otra forma."),
    }

    // No tickets.

    /// What happened.
    fn mail_void() {
        en: "Your payment could not be completed, so there are no tickets for this order. The places went back on sale.",
        de: "Ihre Zahlung konnte nicht abgeschlossen werden, deshalb gibt es zu dieser Bestellung keine Tickets. Die Plätze sind wieder im Verkauf.",
        fr: "Votre paiement n’a pas pu aboutir\u{a0}: il n’y a donc pas de billets pour cette commande. Les places ont été remises en vente.",
        es: "Su pago no pudo completarse, así que no hay entradas para este pedido. Las plazas vuelven a estar a la venta.",
    }
    /// No money was taken.
    fn mail_void_no_money() {
        en: "Nothing was charged. If your bank shows the amount as reserved, it is released by itself.",
        de: "Es wurde nichts abgebucht. Falls Ihre Bank den Betrag als vorgemerkt zeigt, gibt sie ihn von selbst wieder frei.",
        fr: "Rien n’a été débité. Si votre banque affiche le montant comme bloqué, il sera libéré automatiquement.",
        es: "No se ha cobrado nada. Si su banco muestra el importe como retenido, se libera por sí solo.",
    }
    /// Money was taken and goes back.
    fn mail_void_money_back(amount: &str) {
        en: format!("Money was taken for it all the same. {amount} goes back to you."),
        de: format!("Dafür wurde dennoch Geld abgebucht. Sie erhalten {amount} zurück."),
        fr: format!("De l’argent a tout de même été débité. Montant remboursé\u{a0}: {amount}."),
        es: format!("Aun así se cobró dinero. Le devolvemos {amount}."),
    }

    // Of an event that changes.

    /// Another date.
    fn mail_moved_date() {
        en: "The event has a new date.",
        de: "Die Veranstaltung hat einen neuen Termin.",
        fr: "La date de l’événement a changé.",
        es: "El evento tiene nueva fecha.",
    }
    /// Another place.
    fn mail_moved_place() {
        en: "The event has a new place.",
        de: "Die Veranstaltung findet an einem anderen Ort statt.",
        fr: "Le lieu de l’événement a changé.",
        es: "El evento se celebra en otro lugar.",
    }
    /// Both.
    fn mail_moved_both() {
        en: "The event has a new date and a new place.",
        de: "Die Veranstaltung hat einen neuen Termin und einen neuen Ort.",
        fr: "La date et le lieu de l’événement ont changé.",
        es: "El evento tiene nueva fecha y nuevo lugar.",
    }
    /// What it means.
    fn mail_nothing_to_do(count: u64) {
        en: one(count, "Your ticket stays valid. You need not do anything.", "Your tickets stay valid. You need not do anything."),
        de: one(count, "Ihr Ticket bleibt gültig. Sie müssen nichts tun.", "Ihre Tickets bleiben gültig. Sie müssen nichts tun."),
        fr: one_fr(count, "Votre billet reste valable. Vous n’avez rien à faire.", "Vos billets restent valables. Vous n’avez rien à faire."),
        es: one(count, "Su entrada sigue siendo válida. No tiene que hacer nada.", "Sus entradas siguen siendo válidas. No tiene que hacer nada."),
    }
    /// Who cannot come.
    fn mail_cannot_come() {
        en: "If you cannot come, please ask the organiser.",
        de: "Wenn Sie nicht kommen können, wenden Sie sich bitte an den Veranstalter.",
        fr: "Si vous ne pouvez pas venir, adressez-vous à l’organisateur.",
        es: "Si no puede asistir, consulte al organizador.",
    }
    /// It does not take place.
    fn mail_canceled() {
        en: "The event was cancelled and will not take place.",
        de: "Die Veranstaltung wurde abgesagt und findet nicht statt.",
        fr: "L’événement a été annulé et n’aura pas lieu.",
        es: "El evento se ha cancelado y no se celebrará.",
    }
    /// The money, while nothing is known of it.
    fn mail_canceled_money() {
        en: "You need not do anything now. When money is sent back to you, you get another mail.",
        de: "Sie müssen jetzt nichts tun. Wenn Geld an Sie zurückgeht, erhalten Sie eine weitere E-Mail.",
        fr: "Vous n’avez rien à faire pour le moment. En cas de remboursement, vous recevrez un autre message.",
        es: "Ahora no tiene que hacer nada. Cuando se le devuelva dinero, recibirá otro correo.",
    }

    // To the address that an order had.

    /// What was changed; `masked`: the new address, most of it hidden.
    fn mail_address_changed(masked: &str) {
        en: format!("Your address was given for an order for this event. Mails about that order now go to another address: {masked}"),
        de: format!("Ihre Adresse war bei einer Bestellung für diese Veranstaltung angegeben. E-Mails zu dieser Bestellung gehen ab jetzt an eine andere Adresse: {masked}"),
        fr: format!("Votre adresse avait été donnée pour une commande pour cet événement. Les messages sur cette commande vont désormais à une autre adresse\u{a0}: {masked}"),
        es: format!("Su dirección figuraba en un pedido para este evento. Los correos sobre ese pedido van desde ahora a otra dirección: {masked}"),
    }
    /// What to think of it.
    fn mail_address_not_you() {
        en: "If you do not know of such an order, somebody had mistyped an address, and you need not do anything. If it is your order and you did not change the address yourself, please ask the organiser.",
        de: "Wenn Sie keine solche Bestellung kennen, hatte sich jemand bei der Adresse vertippt, und Sie müssen nichts tun. Wenn es Ihre Bestellung ist und Sie die Adresse nicht selbst geändert haben, wenden Sie sich bitte an den Veranstalter.",
        fr: "Si vous ne connaissez pas cette commande, quelqu’un s’était trompé d’adresse et vous n’avez rien à faire. Si c’est votre commande et que vous n’avez pas changé l’adresse vous-même, adressez-vous à l’organisateur.",
        es: "Si no conoce ese pedido, alguien escribió mal una dirección y no tiene que hacer nada. Si el pedido es suyo y usted no cambió la dirección, consulte al organizador.",
    }

    // To whom has lost tickets.

    /// Why this mail.
    fn mail_lost(count: u64, site: &str) {
        en: format!("Somebody, most likely you, asked for your tickets at {site}. {}", one(count,
            "This is the order of your address for an upcoming event.",
            "These are the orders of your address for upcoming events.")),
        de: format!("Jemand, wahrscheinlich Sie selbst, hat auf {site} Ihre Tickets angefordert. {}", one(count,
            "Das ist die Bestellung zu Ihrer Adresse für eine bevorstehende Veranstaltung.",
            "Das sind die Bestellungen zu Ihrer Adresse für bevorstehende Veranstaltungen.")),
        fr: format!("Quelqu’un, sans doute vous, a demandé vos billets sur {site}. {}", one_fr(count,
            "Voici la commande liée à votre adresse pour un événement à venir.",
            "Voici les commandes liées à votre adresse pour des événements à venir.")),
        es: format!("Alguien, probablemente usted, ha pedido sus entradas en {site}. {}", one(count,
            "Este es el pedido de su dirección para un evento próximo.",
            "Estos son los pedidos de su dirección para eventos próximos.")),
    }
    /// And if not.
    fn mail_lost_not_you() {
        en: "If that was not you, you need not do anything: this mail went to nobody else.",
        de: "Wenn Sie das nicht waren, müssen Sie nichts tun: Diese E-Mail ging an niemand anderen.",
        fr: "Si ce n’était pas vous, vous n’avez rien à faire\u{a0}: ce message n’a été envoyé à personne d’autre.",
        es: "Si no fue usted, no tiene que hacer nada: este correo no se ha enviado a nadie más.",
    }
    /// An order that is not paid.
    fn mail_lost_unpaid() {
        en: "Not paid yet",
        de: "Noch nicht bezahlt",
        fr: "Pas encore payé",
        es: "Aún sin pagar",
    }
}
