//! What stands on buyers' pages: the frame, the front page, events and the form.
//!
//! An `at` or `until` may be a mark in whose place a page puts a time as HTML. `day` says that it names a day,
//! and not only a time of day: French and Spanish then take another word before it.

use super::{Words, one, one_fr, words};

words! {
    /// The frame: the sandbox.
    fn test_mode() {
        en: "Test mode: no real money moves.",
        de: "Testmodus: Es fließt kein echtes Geld.",
        fr: "Mode test\u{a0}: aucun paiement réel n’est effectué.",
        es: "Modo de prueba: no se mueve dinero real.",
    }
    /// The frame: Stripe's keys are those of its test mode.
    fn stripe_test_mode() {
        en: "Stripe in test mode: no real money moves.",
        de: "Stripe im Testmodus: Es fließt kein echtes Geld.",
        fr: "Stripe en mode test\u{a0}: aucun paiement réel n’est effectué.",
        es: "Stripe en modo de prueba: no se mueve dinero real.",
    }
    /// The frame: for who goes through a page with the keyboard.
    fn skip_to_content() {
        en: "Skip to the content",
        de: "Zum Inhalt springen",
        fr: "Aller au contenu",
        es: "Ir al contenido",
    }
    /// The frame: the name of the shop.
    fn box_office() {
        en: "Box office",
        de: "Ticketshop",
        fr: "Billetterie",
        es: "Taquilla",
    }
    /// A link at the end of each page, and the title of the page: who runs the shop.
    fn imprint() {
        en: "Imprint",
        de: "Impressum",
        fr: "Mentions légales",
        es: "Aviso legal",
    }
    /// The same: what buyers accept.
    fn terms() {
        en: "Terms and conditions",
        de: "Allgemeine Geschäftsbedingungen",
        fr: "Conditions générales",
        es: "Términos y condiciones",
    }
    /// The same: what happens with personal data.
    fn privacy() {
        en: "Privacy",
        de: "Datenschutz",
        fr: "Protection des données",
        es: "Privacidad",
    }
    /// Which version of the terms a page shows.
    fn terms_version(version: u32) {
        en: format!("Version {version}"),
        de: format!("Fassung {version}"),
        fr: format!("Version {version}"),
        es: format!("Versión {version}"),
    }
    /// The link from old terms to the others.
    fn terms_of_now() {
        en: "See the terms that apply now",
        de: "Die jetzt gültige Fassung ansehen",
        fr: "Voir les conditions en vigueur",
        es: "Ver los términos vigentes",
    }
    /// The box that is ticked before the payment.
    fn accept_terms() {
        en: "I accept the terms and conditions",
        de: "Ich akzeptiere die Allgemeinen Geschäftsbedingungen",
        fr: "J’accepte les conditions générales",
        es: "Acepto los términos y condiciones",
    }
    /// The link beside it.
    fn read_terms() {
        en: "Read them",
        de: "Lesen",
        fr: "Les lire",
        es: "Leerlos",
    }
    /// What is wrong: the box is not ticked.
    fn accept_terms_first() {
        en: "Please accept the terms and conditions to go on",
        de: "Bitte akzeptieren Sie die Allgemeinen Geschäftsbedingungen, um fortzufahren",
        fr: "Veuillez accepter les conditions générales pour continuer",
        es: "Acepte los términos y condiciones para continuar",
    }
    /// What is wrong: the terms are others since the page was loaded.
    fn terms_have_changed() {
        en: "The terms have changed meanwhile. Please read them and accept them again",
        de: "Die Bedingungen wurden inzwischen geändert. Bitte lesen und akzeptieren Sie sie noch einmal",
        fr: "Les conditions ont changé entre-temps. Veuillez les lire et les accepter de nouveau",
        es: "Los términos han cambiado entretanto. Léalos y acéptelos de nuevo",
    }
    /// The frame: at the end of a page.
    fn sold_with() {
        en: "Sold with nts. Your tickets are reserved while you pay, and no card is charged twice.",
        de: "Verkauft mit nts. Ihre Tickets bleiben reserviert, während Sie bezahlen, und keine Karte wird doppelt belastet.",
        fr: "Vendu avec nts. Vos billets restent réservés pendant que vous payez, et aucune carte n’est débitée deux fois.",
        es: "Vendido con nts. Sus entradas quedan reservadas mientras paga, y ninguna tarjeta se cobra dos veces.",
    }
    /// The frame: what the links to the other languages are.
    fn choose_language() {
        en: "Language",
        de: "Sprache",
        fr: "Langue",
        es: "Idioma",
    }
    /// The title of the form's part in which tickets are chosen.
    fn tickets() {
        en: "Tickets",
        de: "Tickets",
        fr: "Billets",
        es: "Entradas",
    }
    /// The front page.
    fn events() {
        en: "Events",
        de: "Veranstaltungen",
        fr: "Événements",
        es: "Eventos",
    }
    /// The way back to the front page.
    fn see_all_events() {
        en: "See all events",
        de: "Alle Veranstaltungen ansehen",
        fr: "Voir tous les événements",
        es: "Ver todos los eventos",
    }
    /// The front page without events. What stands in backticks is code.
    fn nothing_on_sale() {
        en: "Nothing is on sale yet. Organisers make an event with `nts event apply` and a file like `show.toml`.",
        de: "Noch ist nichts im Verkauf. Veranstalter legen eine Veranstaltung mit `nts event apply` und einer Datei wie `show.toml` an.",
        fr: "Rien n’est encore en vente. Les organisateurs créent un événement avec `nts event apply` et un fichier comme `show.toml`.",
        es: "Todavía no hay nada a la venta. Los organizadores crean un evento con `nts event apply` y un archivo como `show.toml`.",
    }
    /// So many can be bought of all kinds of an event; `number` is the same as written.
    fn tickets_left(count: u64, number: &str) {
        en: format!("{number} {} left", one(count, "ticket", "tickets")),
        de: format!("noch {number} {}", one(count, "Ticket", "Tickets")),
        fr: format!("{number} {}", one_fr(count, "billet restant", "billets restants")),
        es: format!("{} {number} {}", one(count, "queda", "quedan"), one(count, "entrada", "entradas")),
    }
    /// So many can be bought of one kind; `number` is the same as written.
    fn left(count: u64, number: &str) {
        en: format!("{number} left"),
        de: format!("noch {number} verfügbar"),
        fr: format!("{number} {}", one_fr(count, "restant", "restants")),
        es: format!("{} {number}", one(count, "queda", "quedan")),
    }
    /// The least price of several.
    fn price_from(price: &str) {
        en: format!("from {price}"),
        de: format!("ab {price}"),
        fr: format!("à partir de {price}"),
        es: format!("desde {price}"),
    }
    /// The least price of what is not free.
    fn price_from_some_free(price: &str) {
        en: format!("from {price}, some free"),
        de: format!("ab {price}, einige kostenlos"),
        fr: format!("à partir de {price}, certains gratuits"),
        es: format!("desde {price}, algunas gratis"),
    }
    /// An order of this browser that is not paid.
    fn own_reservation(what: &str, until: &str, day: bool) {
        en: format!("You have an open reservation: {what}, reserved for you until {until}."),
        de: format!("Sie haben eine offene Reservierung: {what}, für Sie reserviert bis {until}."),
        fr: format!("Vous avez une réservation en cours\u{a0}: {what}, réservé pour vous {} {until}.", if day { "jusqu’au" } else { "jusqu’à" }),
        es: format!("Tiene una reserva abierta: {what}, reservado para usted hasta {} {until}.", if day { "el" } else { "las" }),
    }
    /// Tickets of an event that is named.
    fn what_for_event(what: &str, event: &str) {
        en: format!("{what} for {event}"),
        de: format!("{what} für {event}"),
        fr: format!("{what} pour {event}"),
        es: format!("{what} para {event}"),
    }
    /// An order of this browser that has tickets.
    fn own_tickets(what: &str) {
        en: format!("You have tickets: {what}."),
        de: format!("Sie haben Tickets: {what}."),
        fr: format!("Vous avez des billets\u{a0}: {what}."),
        es: format!("Tiene entradas: {what}."),
    }
    /// The button behind the form, and the link to an order that is not paid.
    fn continue_to_payment() {
        en: "Continue to payment",
        de: "Weiter zur Zahlung",
        fr: "Continuer vers le paiement",
        es: "Continuar al pago",
    }
    /// The tickets of somebody who has paid.
    fn your_tickets() {
        en: "Your tickets",
        de: "Ihre Tickets",
        fr: "Vos billets",
        es: "Sus entradas",
    }
    /// The form, after its order was given back to be changed.
    fn given_back_to_change() {
        en: "Your reservation was cancelled. Change what you want, then continue to payment.",
        de: "Ihre Reservierung wurde aufgehoben. Ändern Sie, was Sie möchten, und gehen Sie dann weiter zur Zahlung.",
        fr: "Votre réservation a été annulée. Modifiez ce que vous souhaitez, puis continuez vers le paiement.",
        es: "Su reserva se ha cancelado. Cambie lo que desee y continúe al pago.",
    }
    /// What stands before [`super::Lang::draft_hidden`].
    fn draft() {
        en: "Draft.",
        de: "Entwurf.",
        fr: "Brouillon.",
        es: "Borrador.",
    }
    /// Of an event that is hidden.
    fn draft_hidden() {
        en: "Only those who have this link see this event; it is in no list.",
        de: "Nur wer diesen Link hat, sieht diese Veranstaltung; sie steht in keiner Liste.",
        fr: "Seules les personnes qui ont ce lien voient cet événement\u{202f}; il ne figure dans aucune liste.",
        es: "Solo quien tiene este enlace ve este evento; no aparece en ninguna lista.",
    }
    /// The link to an order that makes another one impossible.
    fn go_to_own_order() {
        en: "Go to the order that you have",
        de: "Zu Ihrer bestehenden Bestellung",
        fr: "Aller à la commande que vous avez déjà",
        es: "Ir al pedido que ya tiene",
    }
    /// Before the sale opens, where scripts run.
    fn opens_by_itself() {
        en: "The page opens by itself then.",
        de: "Die Seite öffnet sich dann von selbst.",
        fr: "La page s’ouvrira alors d’elle-même.",
        es: "La página se abrirá entonces por sí sola.",
    }
    /// A link to the same page.
    fn load_again() {
        en: "Load again",
        de: "Neu laden",
        fr: "Recharger",
        es: "Volver a cargar",
    }
    /// When the counts of a page were read.
    fn updated_at(at: &str) {
        en: format!("Updated at {at}."),
        de: format!("Stand: {at}."),
        fr: format!("Mis à jour à {at}."),
        es: format!("Actualizado a las {at}."),
    }
    /// A link to the same page.
    fn refresh() {
        en: "Refresh",
        de: "Aktualisieren",
        fr: "Actualiser",
        es: "Actualizar",
    }
    /// Where the form asks who the buyer is.
    fn you() {
        en: "You",
        de: "Ihre Angaben",
        fr: "Vos coordonnées",
        es: "Sus datos",
    }
    /// A field of the form.
    fn name_on_tickets() {
        en: "Name on the tickets",
        de: "Name auf den Tickets",
        fr: "Nom sur les billets",
        es: "Nombre en las entradas",
    }
    /// A field of the form.
    fn email_address() {
        en: "E-mail address",
        de: "E-Mail-Adresse",
        fr: "Adresse e-mail",
        es: "Dirección de correo electrónico",
    }
    /// Above the button, where nothing is to be paid.
    fn tickets_are_free() {
        en: "The tickets are free.",
        de: "Die Tickets sind kostenlos.",
        fr: "Les billets sont gratuits.",
        es: "Las entradas son gratuitas.",
    }
    /// Above the button; `hold` as [`super::Lang::duration`] tells it.
    fn nothing_charged_yet(hold: &str) {
        en: format!("Nothing is charged yet. Your tickets are reserved for {hold} while you pay."),
        de: format!("Noch wird nichts abgebucht. Ihre Tickets sind {hold} lang reserviert, während Sie bezahlen."),
        fr: format!("Rien n’est encore débité. Vos billets sont réservés pendant {hold}, le temps de payer."),
        es: format!("Todavía no se cobra nada. Sus entradas quedan reservadas durante {hold} mientras paga."),
    }
    /// The tax within a sum; `rate` with its sign.
    fn vat_included(rate: &str, vat: &str, net: &str) {
        en: format!("Includes {rate} VAT: {vat} (net {net})"),
        de: format!("Enthält {rate} MwSt.: {vat} (netto {net})"),
        fr: format!("Dont TVA à {rate}\u{a0}: {vat} (HT {net})"),
        es: format!("Incluye IVA del {rate}: {vat} (base {net})"),
    }
    /// The sum of what is chosen or ordered.
    fn total() {
        en: "Total",
        de: "Summe",
        fr: "Total",
        es: "Total",
    }
    /// The button where nothing is to be paid.
    fn get_my_tickets() {
        en: "Get my tickets",
        de: "Tickets holen",
        fr: "Obtenir mes billets",
        es: "Obtener mis entradas",
    }
    /// The title of an event's description.
    fn about(event: &str) {
        en: format!("About {event}"),
        de: format!("Über {event}"),
        fr: format!("À propos de {event}"),
        es: format!("Acerca de {event}"),
    }
    /// Nothing is left, and nothing may come back.
    fn sold_out() {
        en: "Sold out",
        de: "Ausverkauft",
        fr: "Complet",
        es: "Agotado",
    }
    /// Of one kind nothing is left at the moment.
    fn all_reserved() {
        en: "All reserved",
        de: "Alle reserviert",
        fr: "Tout est réservé",
        es: "Todo reservado",
    }
    /// Nothing is left at the moment.
    fn all_reserved_now() {
        en: "All reserved at the moment",
        de: "Im Moment ist alles reserviert",
        fr: "Tout est réservé pour l’instant",
        es: "Todo está reservado por el momento",
    }
    /// The same, and until when that may change.
    fn all_reserved_until(until: &str, day: bool) {
        en: format!("All reserved at the moment. Some may come back until {until}."),
        de: format!("Im Moment ist alles reserviert. Bis {until} werden vielleicht einige wieder frei."),
        fr: format!("Tout est réservé pour l’instant. Des places peuvent se libérer {} {until}.", if day { "jusqu’au" } else { "jusqu’à" }),
        es: format!("Todo está reservado por el momento. Puede que algunas vuelvan a estar disponibles hasta {} {until}.", if day { "el" } else { "las" }),
    }
    /// Before what is left of a pool on which all kinds draw.
    fn in_all() {
        en: "In all",
        de: "Insgesamt",
        fr: "En tout",
        es: "En total",
    }
    /// A name as a quotation.
    fn quoted(name: &str) {
        en: format!("“{name}”"),
        de: format!("„{name}“"),
        fr: format!("«\u{a0}{name}\u{a0}»"),
        es: format!("«{name}»"),
    }
    /// Between the names of several kinds, with its spaces.
    fn and() {
        en: " and ",
        de: " und ",
        fr: " et ",
        es: " y ",
    }
    /// Between a kind and what is left of it or wrong with it, with its space.
    fn colon() {
        en: ": ",
        de: ": ",
        fr: "\u{a0}: ",
        es: ": ",
    }
    /// A limit.
    fn at_most_for_each_person(count: u64) {
        en: format!("At most {count} {} for each person.", one(count, "ticket", "tickets")),
        de: format!("Höchstens {count} {} pro Person.", one(count, "Ticket", "Tickets")),
        fr: format!("{count} {} par personne au maximum.", one_fr(count, "billet", "billets")),
        es: format!("Como máximo {count} {} por persona.", one(count, "entrada", "entradas")),
    }
    /// A limit.
    fn at_most_in_order(count: u64) {
        en: format!("At most {count} {} in one order.", one(count, "ticket", "tickets")),
        de: format!("Höchstens {count} {} pro Bestellung.", one(count, "Ticket", "Tickets")),
        fr: format!("{count} {} par commande au maximum.", one_fr(count, "billet", "billets")),
        es: format!("Como máximo {count} {} por pedido.", one(count, "entrada", "entradas")),
    }
    /// Both limits.
    fn at_most_in_order_and_for_person(order: u64, person: u64) {
        en: format!("At most {order} {} in one order, and {person} for each person.", one(order, "ticket", "tickets")),
        de: format!("Höchstens {order} {} pro Bestellung und {person} pro Person.", one(order, "Ticket", "Tickets")),
        fr: format!("{order} {} par commande et {person} par personne au maximum.", one_fr(order, "billet", "billets")),
        es: format!("Como máximo {order} {} por pedido y {person} por persona.", one(order, "entrada", "entradas")),
    }
    /// Beside a price: in which phase it holds, until when (`at` with its day), and what comes then.
    fn price_until_then(phase: &str, at: &str, next: &str) {
        en: format!("{phase}: until {at}, then {next}"),
        de: format!("{phase}: bis {at}, danach {next}"),
        fr: format!("{phase}\u{a0}: jusqu’à {at}, puis {next}"),
        es: format!("{phase}: hasta {at}; después, {next}"),
    }
    /// Beside a price: in which phase it holds, for how many, and what comes then. The number may change.
    fn price_left_then(phase: &str, left: &str, next: &str) {
        en: format!("{phase}: {left} left at this price, then {next}"),
        de: format!("{phase}: noch {left} zu diesem Preis, danach {next}"),
        fr: format!("{phase}\u{a0}: encore {left} à ce prix, puis {next}"),
        es: format!("{phase}: a este precio, {left} más; después, {next}"),
    }
    /// Beside a price: in which phase it holds, until when (`at` with its day) at the latest and for how many,
    /// and what comes then. The number may change.
    fn price_until_left_then(phase: &str, at: &str, left: &str, next: &str) {
        en: format!("{phase}: until {at} or while {left} are left at this price, then {next}"),
        de: format!("{phase}: bis {at}, und noch {left} zu diesem Preis, danach {next}"),
        fr: format!("{phase}\u{a0}: jusqu’à {at} et encore {left} à ce prix, puis {next}"),
        es: format!("{phase}: hasta {at} y {left} más a este precio; después, {next}"),
    }
    /// Beside a price that a code has made lower.
    fn instead_of(price: &str) {
        en: format!("with your code, instead of {price}"),
        de: format!("mit Ihrem Code, statt {price}"),
        fr: format!("avec votre code, au lieu de {price}"),
        es: format!("con su código, en lugar de {price}"),
    }
    /// A kind of ticket that is not sold yet; `at` with its day.
    fn type_on_sale_from(at: &str) {
        en: format!("On sale from {at}"),
        de: format!("Im Verkauf ab {at}"),
        fr: format!("En vente à partir de {at}"),
        es: format!("A la venta a partir de {at}"),
    }
    /// A kind of ticket that is not sold any more.
    fn type_sale_is_over() {
        en: "No longer on sale",
        de: "Nicht mehr im Verkauf",
        fr: "N’est plus en vente",
        es: "Ya no está a la venta",
    }
    /// The field of a code.
    fn code_label() {
        en: "Code (if you have one)",
        de: "Code (falls Sie einen haben)",
        fr: "Code (si vous en avez un)",
        es: "Código (si tiene uno)",
    }
    /// The button beside the field of a code.
    fn use_code() {
        en: "Use the code",
        de: "Code einlösen",
        fr: "Utiliser le code",
        es: "Usar el código",
    }
    /// The code of the page is valid.
    fn code_is_used(code: &str) {
        en: format!("Your code {code} is valid. The tickets and prices below are those with it."),
        de: format!("Ihr Code {code} ist gültig. Unten stehen die Tickets und Preise damit."),
        fr: format!("Votre code {code} est valable. Les billets et les prix ci-dessous sont ceux avec ce code."),
        es: format!("Su código {code} es válido. Abajo están las entradas y los precios con él."),
    }
    /// A link behind that.
    fn without_code() {
        en: "Show the page without it",
        de: "Seite ohne ihn zeigen",
        fr: "Afficher la page sans lui",
        es: "Mostrar la página sin él",
    }
    /// Why nothing is sold yet; `at` with its day.
    fn sale_opens_on(at: &str) {
        en: format!("The sale opens on {at}."),
        de: format!("Der Verkauf beginnt am {at}."),
        fr: format!("La vente commence le {at}."),
        es: format!("La venta empieza el {at}."),
    }
    /// Why nothing is sold any more; `at` with its day.
    fn sale_closed_on(at: &str) {
        en: format!("The sale closed on {at}."),
        de: format!("Der Verkauf endete am {at}."),
        fr: format!("La vente s’est terminée le {at}."),
        es: format!("La venta terminó el {at}."),
    }
    /// Why nothing is sold at the moment: the organiser has paused the sale.
    fn sale_is_paused() {
        en: "The sale is paused at the moment. Please look again later.",
        de: "Der Verkauf ist im Moment unterbrochen. Bitte schauen Sie später noch einmal.",
        fr: "La vente est suspendue pour le moment. Veuillez revenir plus tard.",
        es: "La venta está en pausa en este momento. Vuelva a mirar más tarde.",
    }
    /// Why nothing is sold any more: the event does not take place.
    fn event_was_canceled() {
        en: "This event was cancelled and will not take place. Whoever has paid gets the money back.",
        de: "Diese Veranstaltung wurde abgesagt und findet nicht statt. Wer bezahlt hat, bekommt das Geld zurück.",
        fr: "Cet événement est annulé et n’aura pas lieu. Les personnes qui ont payé sont remboursées.",
        es: "Este evento se ha cancelado y no se celebrará. Quien haya pagado recibe el dinero de vuelta.",
    }
    /// Why nothing is sold any more.
    fn event_is_over() {
        en: "This event is over.",
        de: "Diese Veranstaltung ist vorbei.",
        fr: "Cet événement est terminé.",
        es: "Este evento ha terminado.",
    }
}

// What is wrong with the form.
words! {
    /// Above the form.
    fn check_marked_fields() {
        en: "Please check the marked fields",
        de: "Bitte prüfen Sie die markierten Felder",
        fr: "Veuillez vérifier les champs signalés",
        es: "Revise los campos marcados",
    }
    /// Nothing is left of a kind.
    fn type_sold_out(name: &str) {
        en: format!("“{name}” is sold out."),
        de: format!("„{name}“ ist ausverkauft."),
        fr: format!("«\u{a0}{name}\u{a0}»\u{a0}: complet."),
        es: format!("«{name}» está agotado."),
    }
    /// Nothing is left of a kind at the moment.
    fn type_all_reserved(name: &str, until: &str, day: bool) {
        en: format!("All of “{name}” are reserved at the moment. Some may come back until {until}."),
        de: format!("Von „{name}“ ist im Moment alles reserviert. Bis {until} werden vielleicht einige wieder frei."),
        fr: format!("«\u{a0}{name}\u{a0}»\u{a0}: tout est réservé pour l’instant. Des places peuvent se libérer {} {until}.", if day { "jusqu’au" } else { "jusqu’à" }),
        es: format!("De «{name}» todo está reservado por el momento. Puede que algunas vuelvan a estar disponibles hasta {} {until}.", if day { "el" } else { "las" }),
    }
    /// Fewer are left of a kind than were chosen.
    fn type_only_left(name: &str, left: u64) {
        en: format!("Only {left} left of “{name}”."),
        de: format!("Von „{name}“ {} nur noch {left} verfügbar.", one(left, "ist", "sind")),
        fr: format!("Il ne reste que {left} «\u{a0}{name}\u{a0}»."),
        es: format!("Solo {} {left} de «{name}».", one(left, "queda", "quedan")),
    }
    /// Behind that.
    fn more_may_come_back(until: &str, day: bool) {
        en: format!("More may come back until {until}."),
        de: format!("Bis {until} werden vielleicht weitere frei."),
        fr: format!("D’autres places peuvent se libérer {} {until}.", if day { "jusqu’au" } else { "jusqu’à" }),
        es: format!("Puede que haya más hasta {} {until}.", if day { "el" } else { "las" }),
    }
    /// The limit for a person is reached.
    fn limit_for_person_reached(limit: u64, has: u64) {
        en: format!("At most {limit} for each person, and you have {has} already."),
        de: format!("Höchstens {limit} pro Person, und Sie haben bereits {has}."),
        fr: format!("{limit} par personne au maximum, et vous en avez déjà {has}."),
        es: format!("Como máximo {limit} por persona, y usted ya tiene {has}."),
    }
    /// A kind that was chosen is not sold any more.
    fn chosen_not_on_offer() {
        en: "A ticket that you chose is not on offer any more. Choose from those below.",
        de: "Ein von Ihnen gewähltes Ticket wird nicht mehr angeboten. Bitte wählen Sie aus den Tickets unten.",
        fr: "Un billet que vous avez choisi n’est plus proposé. Choisissez parmi ceux ci-dessous.",
        es: "Una entrada que eligió ya no se ofrece. Elija entre las de abajo.",
    }
    /// Behind other reasons.
    fn nothing_was_reserved() {
        en: "Nothing was reserved.",
        de: "Es wurde nichts reserviert.",
        fr: "Rien n’a été réservé.",
        es: "No se ha reservado nada.",
    }
    /// A field of the form that no page has is not as it was.
    fn send_form_again() {
        en: "Please send the form again",
        de: "Bitte senden Sie das Formular noch einmal",
        fr: "Veuillez renvoyer le formulaire",
        es: "Envíe el formulario de nuevo",
    }
    /// Behind that.
    fn form_was_changed() {
        en: "It was changed on its way. Nothing was reserved.",
        de: "Es wurde unterwegs verändert. Es wurde nichts reserviert.",
        fr: "Il a été modifié en chemin. Rien n’a été réservé.",
        es: "Se modificó por el camino. No se ha reservado nada.",
    }
    /// A new price was not agreed to, and the hold could not be cancelled.
    fn not_given_back() {
        en: "What was reserved at the new price could not be given back, and ends by itself.",
        de: "Was zum neuen Preis reserviert wurde, konnte nicht aufgehoben werden und endet von selbst.",
        fr: "Ce qui a été réservé au nouveau prix n’a pas pu être annulé et expirera de lui-même.",
        es: "Lo reservado al nuevo precio no se pudo cancelar y caducará por sí solo.",
    }
    /// A quantity that is none.
    fn enter_whole_number() {
        en: "Enter a whole number, such as 2.",
        de: "Geben Sie eine ganze Zahl ein, zum Beispiel 2.",
        fr: "Saisissez un nombre entier, par exemple 2.",
        es: "Escriba un número entero, por ejemplo 2.",
    }
    /// A field that is there twice.
    fn sent_twice() {
        en: "This was sent twice. Choose it once.",
        de: "Das wurde doppelt gesendet. Bitte wählen Sie es nur einmal.",
        fr: "Ceci a été envoyé deux fois. Ne le choisissez qu’une fois.",
        es: "Esto se envió dos veces. Elíjalo una sola vez.",
    }
    /// Behind a limit.
    fn more_of_all_kinds() {
        en: "You chose more of all kinds together.",
        de: "Sie haben insgesamt mehr gewählt.",
        fr: "Vous en avez choisi davantage au total.",
        es: "Ha elegido más en total.",
    }
    /// Nothing was chosen.
    fn choose_how_many() {
        en: "Choose how many tickets you want.",
        de: "Wählen Sie, wie viele Tickets Sie möchten.",
        fr: "Choisissez le nombre de billets souhaité.",
        es: "Elija cuántas entradas desea.",
    }
    /// No name.
    fn enter_name() {
        en: "Enter the name for the tickets.",
        de: "Geben Sie den Namen für die Tickets ein.",
        fr: "Saisissez le nom à indiquer sur les billets.",
        es: "Escriba el nombre para las entradas.",
    }
    /// No address.
    fn enter_email() {
        en: "Enter your e-mail address.",
        de: "Geben Sie Ihre E-Mail-Adresse ein.",
        fr: "Saisissez votre adresse e-mail.",
        es: "Escriba su dirección de correo electrónico.",
    }
    /// A name that is refused; `english` says exactly why.
    fn wrong_name(english: &str) {
        en: english.to_owned(),
        de: "Bitte prüfen Sie den Namen: höchstens 200 Zeichen, und keine unsichtbaren.",
        fr: "Vérifiez le nom\u{a0}: 200 caractères au maximum, et aucun caractère invisible.",
        es: "Revise el nombre: 200 caracteres como máximo y ninguno invisible.",
    }
    /// An address that is refused; `english` says exactly why.
    fn wrong_email(english: &str) {
        en: english.to_owned(),
        de: "Das ist keine gültige E-Mail-Adresse. Sie sieht aus wie name@example.org.",
        fr: "Cette adresse e-mail n’est pas valide. Elle ressemble à nom@example.org.",
        es: "Esta dirección de correo no es válida. Debe ser como nombre@example.org.",
    }
    /// Above the form: a price is another one than the page has shown.
    fn price_has_changed() {
        en: "The price has changed",
        de: "Der Preis hat sich geändert",
        fr: "Le prix a changé",
        es: "El precio ha cambiado",
    }
    /// At the kind of which not all have the price that was shown; `prices` is a list.
    fn prices_are(before: &str, prices: &str) {
        en: format!("The price shown was {before}. Now it is {prices}. Go on if you agree."),
        de: format!("Angezeigt waren {before}. Jetzt sind es {prices}. Gehen Sie weiter, wenn Sie einverstanden sind."),
        fr: format!("Le prix affiché était de {before}. Maintenant, c’est {prices}. Continuez si vous êtes d’accord."),
        es: format!("El precio mostrado era {before}. Ahora es {prices}. Continúe si está de acuerdo."),
    }
    /// At the kind whose price has changed.
    fn price_was_and_is(before: &str, now: &str) {
        en: format!("The price was {before} and is {now} now. Go on if you agree."),
        de: format!("Der Preis war {before} und ist jetzt {now}. Gehen Sie weiter, wenn Sie einverstanden sind."),
        fr: format!("Le prix était de {before} et il est maintenant de {now}. Continuez si vous êtes d’accord."),
        es: format!("El precio era {before} y ahora es {now}. Continúe si está de acuerdo."),
    }
}

// What scripts write. `{0}` and so on are filled in by them.
words! {
    /// The counts are those of this moment.
    fn updated_now() {
        en: "Updated just now.",
        de: "Gerade aktualisiert.",
        fr: "Mis à jour à l’instant.",
        es: "Actualizado ahora mismo.",
    }
    /// The connection that brings the counts was lost.
    fn updated_before() {
        en: "Updated a moment ago (connecting again).",
        de: "Vor einem Moment aktualisiert (Verbindung wird wiederhergestellt).",
        fr: "Mis à jour il y a un instant (reconnexion en cours).",
        es: "Actualizado hace un momento (conectando de nuevo).",
    }
    /// Other kinds are on offer than the page shows.
    fn other_tickets() {
        en: "Other tickets are on offer now.",
        de: "Jetzt werden andere Tickets angeboten.",
        fr: "D’autres billets sont maintenant proposés.",
        es: "Ahora se ofrecen otras entradas.",
    }
    /// Something can be bought again.
    fn tickets_again() {
        en: "There are tickets again.",
        de: "Es gibt wieder Tickets.",
        fr: "Il y a de nouveau des billets.",
        es: "Vuelve a haber entradas.",
    }
    /// A price has changed while the page was open.
    fn costs_now(name: &str, now: &str, before: &str) {
        en: format!("“{name}” costs {now} now; it was {before}."),
        de: format!("„{name}“ kostet jetzt {now}; vorher {before}."),
        fr: format!("«\u{a0}{name}\u{a0}» coûte maintenant {now}\u{202f}; c’était {before}."),
        es: format!("«{name}» cuesta ahora {now}; antes {before}."),
    }
    /// A countdown has ended.
    fn time_is_over() {
        en: "The time is over",
        de: "Die Zeit ist abgelaufen",
        fr: "Le temps est écoulé",
        es: "El tiempo se ha agotado",
    }
    /// A countdown, said once for those who hear the page.
    fn one_minute_left() {
        en: "One minute is left.",
        de: "Noch eine Minute.",
        fr: "Il reste une minute.",
        es: "Queda un minuto.",
    }
}

words! {
    /// So many minutes.
    fn minutes(count: u64) {
        en: format!("{count} {}", one(count, "minute", "minutes")),
        de: format!("{count} {}", one(count, "Minute", "Minuten")),
        fr: format!("{count} {}", one_fr(count, "minute", "minutes")),
        es: format!("{count} {}", one(count, "minuto", "minutos")),
    }
    /// So many seconds.
    fn seconds(count: u64) {
        en: format!("{count} {}", one(count, "second", "seconds")),
        de: format!("{count} {}", one(count, "Sekunde", "Sekunden")),
        fr: format!("{count} {}", one_fr(count, "seconde", "secondes")),
        es: format!("{count} {}", one(count, "segundo", "segundos")),
    }
    /// Minutes and seconds.
    fn minutes_and_seconds(minutes: u64, seconds: u64) {
        en: format!("{minutes} min {seconds} s"),
        de: format!("{minutes} Min. {seconds} Sek."),
        fr: format!("{minutes} min {seconds} s"),
        es: format!("{minutes} min {seconds} s"),
    }
    /// `in a second`, without `in`; for German in the dative, which stands behind `in`.
    fn a_second() {
        en: "a second",
        de: "einer Sekunde",
        fr: "une seconde",
        es: "un segundo",
    }
    /// `in a minute`, without `in`.
    fn a_minute() {
        en: "a minute",
        de: "einer Minute",
        fr: "une minute",
        es: "un minuto",
    }
}

impl super::Lang {
    /// How long something takes, in words: `5 minutes`.
    pub fn duration(self, ms: i64) -> Words {
        let seconds = ms.max(0).unsigned_abs() / 1_000;
        match (seconds / 60, seconds % 60) {
            (minutes, 0) if minutes > 0 => self.minutes(minutes),
            (0, seconds) => self.seconds(seconds),
            (minutes, seconds) => self.minutes_and_seconds(minutes, seconds),
        }
    }

    /// In how long something can be tried again, without `in`: `a second`, `3 minutes`.
    pub fn in_time(self, seconds: u32) -> Words {
        match (u64::from(seconds / 60), u64::from(seconds % 60)) {
            (0, 1) => self.a_second(),
            (0, seconds) => self.seconds(seconds),
            (1, 0) => self.a_minute(),
            (minutes, 0) => self.minutes(minutes),
            (minutes, _) => self.minutes(minutes + 1),
        }
    }
}
