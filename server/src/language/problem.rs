//! Why a request was not done: what people read of a problem. Its code is for programs, and always the same.
//!
//! What only programmers and organisers can cause is told in English: their keys, their JSON, their events.
//!
//! A time (`at`, `until`) is told to programs as RFC 3339 writes it, and pages put it into words
//! (`http/page.rs`): so it stands where a time of day and a day both fit.

use super::{Lang, Words, one, one_fr, words};
use crate::text::{capital, shorten};
use boxoffice::{AddressFixed, Currency, Money, OrderState, Refusal};
use nts_api::ProblemCode;

words! {
    /// What happened, in a few words, where nothing more exact is known.
    fn problem_title(code: ProblemCode) {
        en: code.title(),
        de: title_de(code),
        fr: title_fr(code),
        es: title_es(code),
    }
}

fn title_de(code: ProblemCode) -> &'static str {
    use ProblemCode::*;
    match code {
        Invalid => "Bitte prüfen Sie Ihre Angaben",
        Unauthorized => "Ein Schlüssel oder ein Geheimnis fehlt",
        NotFound => "Hier ist nichts",
        WrongMethod => "Diese Adresse kann das nicht",
        TooSlow => "Die Anfrage kam nicht rechtzeitig an",
        TooLarge => "Die Anfrage ist zu groß",
        WrongType => "Der Inhaltstyp ist nicht der erwartete",
        WrongVersion => "Diese HTTP-Version wird hier nicht gesprochen",
        NotAllowed => "Sie dürfen das nicht tun",
        SignInAgain => "Bitte melden Sie sich noch einmal an",
        CrossSite => "Das kam von einer anderen Website",
        BadSignature => "Das kommt nicht von Stripe, oder es ist zu alt",
        KeyReused => "Dieser Idempotency-Key wurde schon für etwas anderes verwendet",
        RequestRunning => "Wird noch bearbeitet",
        TooManyRequests => "Zu viele Anfragen aus Ihrem Netz",
        TooManyConnections => "Zu viele Verbindungen aus Ihrem Netz",
        Busy => "Im Moment kaufen sehr viele",
        Unavailable => "Wir können gerade nichts speichern",
        InDoubt => "Wir wissen noch nicht, ob das gespeichert wurde",
        NotReady => "Nicht bereit",
        UnknownEvent => "Diese Veranstaltung gibt es nicht",
        UnknownTicketType => "Dieses Ticket gibt es nicht",
        CapacityBelowTaken => "Das Kontingent wäre überverkauft",
        CurrencyFixed => "Die Währung kann jetzt nicht geändert werden",
        LimitTooLate => "Die Höchstzahl pro Person kommt zu spät",
        TagsFixed => "Was als eine Person zählt, kann jetzt nicht geändert werden",
        PoolFixed => "Ein Ticket kann nicht in ein anderes Kontingent wechseln",
        CapacityTooLate => "Eine eigene Höchstzahl für dieses Ticket kommt zu spät",
        TooManyParts => "Zu viele Teile",
        EventChanged => "Jemand anders hat die Veranstaltung geändert",
        EventExists => "Diese Veranstaltung gibt es schon",
        EventOrdered => "Für die Veranstaltung gibt es Bestellungen",
        SalePaused => "Der Verkauf ist unterbrochen",
        EventCanceled => "Die Veranstaltung wurde abgesagt",
        NotOnSale => "Nicht im Verkauf",
        PriceChanged => "Der Preis hat sich geändert",
        CodeInvalid => "Dieser Code ist nicht gültig",
        CodeUsedUp => "Dieser Code ist aufgebraucht",
        SoldOut => "Ausverkauft",
        LimitReached => "Zu viele Tickets",
        UnknownOrder => "Diese Bestellung gibt es nicht",
        HoldExpired => "Die Zeit ist abgelaufen",
        PaymentUnderWay => "Eine Zahlung läuft bereits",
        TooManyAttempts => "Zu viele Zahlungsversuche",
        Declined => "Die Zahlung wurde abgelehnt",
        AlreadyPaid => "Es ist nichts mehr zu bezahlen",
        Canceled => "Diese Bestellung ist beendet",
        NotDue => "Noch nicht",
        AnswersMissing => "Eine Frage ist noch nicht beantwortet",
        AnswerInvalid => "Eine Antwort passt nicht",
        AnswersFixed => "Die Antworten stehen fest",
        NotPaid => "Diese Bestellung ist nicht bezahlt",
        RefundUnderWay => "Eine Erstattung läuft bereits",
        NothingToRefund => "Es ist nichts zu erstatten",
        RefundTooLarge => "So viel kann nicht erstattet werden",
        NoTickets => "Diese Bestellung hat keine Tickets",
        UnknownTicket => "Dieses Ticket gibt es nicht",
        TicketRevoked => "Dieses Ticket gilt nicht mehr",
        NamesFixed => "Die Namen stehen fest",
        TooManyNames => "Dieses Ticket wurde zu oft weitergegeben",
        BuyerErased => "Die Namen dieser Bestellung wurden gelöscht",
        MailedLately => "Vor Kurzem erst gesendet",
        NothingToSend => "Es gibt nichts zu senden",
        AddressFixed => "Die Adresse kann nicht geändert werden",
        FormNeeded => "Zum Bezahlen wird das Formular der Reservierung benötigt",
        NoReservation => "Keine Reservierung auf diesen Namen",
    }
}

fn title_fr(code: ProblemCode) -> &'static str {
    use ProblemCode::*;
    match code {
        Invalid => "Veuillez vérifier ce que vous avez envoyé",
        Unauthorized => "Il manque une clé ou un secret",
        NotFound => "Il n’y a rien ici",
        WrongMethod => "Cette adresse ne fait pas cela",
        TooSlow => "La requête n’est pas arrivée à temps",
        TooLarge => "La requête est trop volumineuse",
        WrongType => "Le type de contenu n’est pas celui attendu",
        WrongVersion => "Cette version de HTTP n’est pas prise en charge ici",
        NotAllowed => "Vous n’avez pas le droit de faire cela",
        SignInAgain => "Veuillez vous identifier à nouveau",
        CrossSite => "Ceci vient d’un autre site",
        BadSignature => "Ceci ne vient pas de Stripe, ou c’est trop ancien",
        KeyReused => "Cette Idempotency-Key a servi à autre chose",
        RequestRunning => "Encore en cours",
        TooManyRequests => "Trop de requêtes depuis votre réseau",
        TooManyConnections => "Trop de connexions depuis votre réseau",
        Busy => "Énormément de personnes achètent en ce moment",
        Unavailable => "Nous ne pouvons rien enregistrer pour l’instant",
        InDoubt => "Nous ne savons pas encore si cela a été enregistré",
        NotReady => "Pas prêt",
        UnknownEvent => "Cet événement n’existe pas",
        UnknownTicketType => "Ce billet n’existe pas",
        CapacityBelowTaken => "Le contingent serait dépassé",
        CurrencyFixed => "La devise ne peut pas changer maintenant",
        LimitTooLate => "La limite par personne arrive trop tard",
        TagsFixed => "Ce qui compte comme une personne ne peut pas changer maintenant",
        PoolFixed => "Un billet ne peut pas changer de contingent",
        CapacityTooLate => "Un nombre maximal pour ce billet arrive trop tard",
        TooManyParts => "Trop d’éléments",
        EventChanged => "Quelqu’un d’autre a modifié l’événement",
        EventExists => "Cet événement existe déjà",
        EventOrdered => "L’événement a des commandes",
        SalePaused => "La vente est suspendue",
        EventCanceled => "L’événement est annulé",
        NotOnSale => "Pas en vente",
        PriceChanged => "Le prix a changé",
        CodeInvalid => "Ce code n’est pas valable",
        CodeUsedUp => "Ce code est épuisé",
        SoldOut => "Complet",
        LimitReached => "Trop de billets",
        UnknownOrder => "Cette commande n’existe pas",
        HoldExpired => "Le temps est écoulé",
        PaymentUnderWay => "Un paiement est en cours",
        TooManyAttempts => "Trop de tentatives de paiement",
        Declined => "Le paiement a été refusé",
        AlreadyPaid => "Il n’y a plus rien à payer",
        Canceled => "Cette commande est terminée",
        NotDue => "Pas encore",
        AnswersMissing => "Une question attend encore une réponse",
        AnswerInvalid => "Une réponse ne convient pas",
        AnswersFixed => "Les réponses ne peuvent plus être modifiées",
        NotPaid => "Cette commande n’est pas payée",
        RefundUnderWay => "Un remboursement est en cours",
        NothingToRefund => "Rien à rembourser",
        RefundTooLarge => "Plus que ce qui peut être remboursé",
        NoTickets => "Cette commande n’a pas de billets",
        UnknownTicket => "Ce billet n’existe pas",
        TicketRevoked => "Ce billet n’est plus valable",
        NamesFixed => "Les noms ne peuvent plus être modifiés",
        TooManyNames => "Ce billet a été transmis trop souvent",
        BuyerErased => "Les noms de cette commande ont été effacés",
        MailedLately => "Envoyé il y a peu",
        NothingToSend => "Il n’y a rien à envoyer",
        AddressFixed => "L’adresse ne peut pas être modifiée",
        FormNeeded => "Le paiement nécessite le formulaire de la réservation",
        NoReservation => "Aucune réservation à ce nom",
    }
}

fn title_es(code: ProblemCode) -> &'static str {
    use ProblemCode::*;
    match code {
        Invalid => "Revise lo que ha enviado",
        Unauthorized => "Falta una clave o un secreto",
        NotFound => "Aquí no hay nada",
        WrongMethod => "Esta dirección no hace eso",
        TooSlow => "La solicitud no llegó a tiempo",
        TooLarge => "La solicitud es demasiado grande",
        WrongType => "El tipo de contenido no es el esperado",
        WrongVersion => "Esta versión de HTTP no se admite aquí",
        NotAllowed => "No tiene permiso para hacer esto",
        SignInAgain => "Identifíquese de nuevo, por favor",
        CrossSite => "Esto vino de otro sitio",
        BadSignature => "Esto no es de Stripe, o es demasiado antiguo",
        KeyReused => "Esta Idempotency-Key se usó para otra cosa",
        RequestRunning => "Todavía en curso",
        TooManyRequests => "Demasiadas solicitudes desde su red",
        TooManyConnections => "Demasiadas conexiones desde su red",
        Busy => "Muchísimas personas están comprando ahora",
        Unavailable => "Ahora no podemos guardar nada",
        InDoubt => "Todavía no sabemos si esto se guardó",
        NotReady => "No está listo",
        UnknownEvent => "Ese evento no existe",
        UnknownTicketType => "Esa entrada no existe",
        CapacityBelowTaken => "El cupo quedaría sobrevendido",
        CurrencyFixed => "La moneda no puede cambiar ahora",
        LimitTooLate => "El límite por persona llega demasiado tarde",
        TagsFixed => "Lo que cuenta como una persona no puede cambiar ahora",
        PoolFixed => "Una entrada no puede pasar a otro cupo",
        CapacityTooLate => "Un máximo propio para esta entrada llega demasiado tarde",
        TooManyParts => "Demasiadas partes",
        EventChanged => "Otra persona ha cambiado el evento",
        EventExists => "Ese evento ya existe",
        EventOrdered => "El evento tiene pedidos",
        SalePaused => "La venta está en pausa",
        EventCanceled => "El evento se ha cancelado",
        NotOnSale => "No está a la venta",
        PriceChanged => "El precio ha cambiado",
        CodeInvalid => "Este código no es válido",
        CodeUsedUp => "Este código está agotado",
        SoldOut => "Agotado",
        LimitReached => "Demasiadas entradas",
        UnknownOrder => "Ese pedido no existe",
        HoldExpired => "El tiempo ha terminado",
        PaymentUnderWay => "Hay un pago en curso",
        TooManyAttempts => "Demasiados intentos de pago",
        Declined => "El pago fue rechazado",
        AlreadyPaid => "No queda nada por pagar",
        Canceled => "Este pedido ha terminado",
        NotDue => "Todavía no",
        AnswersMissing => "Falta responder a una pregunta",
        AnswerInvalid => "Una respuesta no es válida",
        AnswersFixed => "Las respuestas ya no se pueden cambiar",
        NotPaid => "Este pedido no está pagado",
        RefundUnderWay => "Hay un reembolso en curso",
        NothingToRefund => "No hay nada que reembolsar",
        RefundTooLarge => "Más de lo que se puede reembolsar",
        NoTickets => "Este pedido no tiene entradas",
        UnknownTicket => "Esta entrada no existe",
        TicketRevoked => "Esta entrada ya no es válida",
        NamesFixed => "Los nombres ya no se pueden cambiar",
        TooManyNames => "Esta entrada ha cambiado de nombre demasiadas veces",
        BuyerErased => "Los nombres de este pedido se han borrado",
        MailedLately => "Enviado hace poco",
        NothingToSend => "No hay nada que enviar",
        AddressFixed => "No se puede cambiar la dirección",
        FormNeeded => "Para pagar hace falta el formulario de la reserva",
        NoReservation => "No hay ninguna reserva a ese nombre",
    }
}

// More exact titles.
words! {
    /// A title.
    fn not_on_sale_yet() {
        en: "Not on sale yet",
        de: "Noch nicht im Verkauf",
        fr: "Pas encore en vente",
        es: "Todavía no está a la venta",
    }
    /// A title.
    fn sale_is_over() {
        en: "The sale is over",
        de: "Der Verkauf ist beendet",
        fr: "La vente est terminée",
        es: "La venta ha terminado",
    }
    /// A title.
    fn the_event_is_over() {
        en: "The event is over",
        de: "Die Veranstaltung ist vorbei",
        fr: "L’événement est terminé",
        es: "El evento ha terminado",
    }
    /// A title.
    fn not_enough_tickets() {
        en: "Not enough tickets",
        de: "Nicht genug Tickets",
        fr: "Pas assez de billets",
        es: "No hay suficientes entradas",
    }
    /// A title.
    fn many_want_to_see() {
        en: "Very many people want to see this right now",
        de: "Im Moment möchten sehr viele das sehen",
        fr: "Énormément de personnes veulent voir cette page en ce moment",
        es: "Muchísimas personas quieren ver esto ahora",
    }
    /// A title.
    fn address_too_long() {
        en: "The address is too long",
        de: "Die Adresse ist zu lang",
        fr: "L’adresse est trop longue",
        es: "La dirección es demasiado larga",
    }
    /// A title.
    fn too_many_hold_requests() {
        en: "Too many requests for places from your network",
        de: "Zu viele Platzanfragen aus Ihrem Netz",
        fr: "Trop de demandes de places depuis votre réseau",
        es: "Demasiadas solicitudes de plazas desde su red",
    }
    /// A title.
    fn network_holds_too_many() {
        en: "Your network holds too many unpaid places",
        de: "Ihr Netz hält zu viele unbezahlte Plätze",
        fr: "Votre réseau retient trop de places impayées",
        es: "Su red retiene demasiadas plazas sin pagar",
    }
    /// A title.
    fn address_holds_too_many() {
        en: "This e-mail address holds too many unpaid places",
        de: "Diese E-Mail-Adresse hält zu viele unbezahlte Plätze",
        fr: "Cette adresse e-mail retient trop de places impayées",
        es: "Esta dirección de correo retiene demasiadas plazas sin pagar",
    }
    /// A title.
    fn too_many_tries_to_pay() {
        en: "Too many attempts to pay from your network",
        de: "Zu viele Zahlungsversuche aus Ihrem Netz",
        fr: "Trop de tentatives de paiement depuis votre réseau",
        es: "Demasiados intentos de pago desde su red",
    }
    /// A title.
    fn too_many_declined() {
        en: "Too many payments from your network were declined",
        de: "Zu viele Zahlungen aus Ihrem Netz wurden abgelehnt",
        fr: "Trop de paiements depuis votre réseau ont été refusés",
        es: "Se rechazaron demasiados pagos desde su red",
    }
    /// A title.
    fn too_many_of_buyer_declined() {
        en: "Too many payments of this buyer were declined",
        de: "Zu viele Zahlungen dieser Person wurden abgelehnt",
        fr: "Trop de paiements de cet acheteur ont été refusés",
        es: "Se rechazaron demasiados pagos de este comprador",
    }
    /// A title.
    fn wait_before_paying() {
        en: "Please wait before you try to pay again",
        de: "Bitte warten Sie, bevor Sie erneut bezahlen",
        fr: "Veuillez patienter avant de réessayer de payer",
        es: "Espere antes de volver a intentar el pago",
    }
}

// Details.
words! {
    /// No page is at an address.
    fn address_wrong() {
        en: "The address is wrong or incomplete.",
        de: "Die Adresse ist falsch oder unvollständig.",
        fr: "L’adresse est erronée ou incomplète.",
        es: "La dirección es incorrecta o está incompleta.",
    }
    /// The method is wrong.
    fn not_for_this_method() {
        en: "It exists, but not for this method.",
        de: "Es gibt sie, aber nicht für diese Methode.",
        fr: "Elle existe, mais pas pour cette méthode.",
        es: "Existe, pero no para este método.",
    }
    /// An address that is no text.
    fn address_not_text() {
        en: "The address is not UTF-8 text. Nothing was done.",
        de: "Die Adresse ist kein UTF-8-Text. Es wurde nichts getan.",
        fr: "L’adresse n’est pas du texte UTF-8. Rien n’a été fait.",
        es: "La dirección no es texto UTF-8. No se ha hecho nada.",
    }
    /// A page of another site sent it.
    fn cross_site() {
        en: "Another site's page made your browser send this, so it was not done. If you wanted it, open this box office's own page and do it there.",
        de: "Die Seite einer anderen Website hat Ihren Browser das senden lassen; deshalb wurde es nicht getan. Wenn Sie es wollten, öffnen Sie die Seite dieses Ticketshops und tun Sie es dort.",
        fr: "La page d’un autre site a fait envoyer ceci par votre navigateur\u{202f}; cela n’a donc pas été fait. Si vous le vouliez, ouvrez la page de cette billetterie et faites-le là.",
        es: "La página de otro sitio hizo que su navegador enviara esto, así que no se hizo. Si lo quería, abra la página de esta taquilla y hágalo allí.",
    }
    /// Too much is waiting; `again` as [`Lang::in_time`] tells it.
    fn busy(again: &str) {
        en: format!("Nothing was done and nothing was charged by this request. Please try again in {again}."),
        de: format!("Durch diese Anfrage wurde nichts getan und nichts abgebucht. Bitte versuchen Sie es in {again} noch einmal."),
        fr: format!("Cette demande n’a rien fait et rien débité. Veuillez réessayer dans {again}."),
        es: format!("Esta solicitud no hizo ni cobró nada. Inténtelo de nuevo dentro de {again}."),
    }
    /// More look than can be served; `again` as [`Lang::seconds`] tells it.
    fn crowded(again: &str) {
        en: format!("You need not do anything: this page asks again by itself in {again}. Those who have places can pay meanwhile."),
        de: format!("Sie müssen nichts tun: Diese Seite fragt in {again} von selbst noch einmal. Wer Plätze hat, kann so lange bezahlen."),
        fr: format!("Vous n’avez rien à faire\u{a0}: cette page redemandera d’elle-même dans {again}. Les personnes qui ont des places peuvent payer pendant ce temps."),
        es: format!("No tiene que hacer nada: esta página vuelve a intentarlo por sí sola dentro de {again}. Mientras tanto, quienes tienen plazas pueden pagar."),
    }
    /// One network has more connections open than its share.
    fn close_connections() {
        en: "Nothing was done and nothing was charged. Close some of them, or try again in a moment.",
        de: "Es wurde nichts getan und nichts abgebucht. Schließen Sie einige davon, oder versuchen Sie es gleich noch einmal.",
        fr: "Rien n’a été fait ni débité. Fermez-en quelques-unes, ou réessayez dans un instant.",
        es: "No se ha hecho ni cobrado nada. Cierre algunas o inténtelo de nuevo dentro de un momento.",
    }
    /// A request did not arrive in time.
    fn send_again() {
        en: "Nothing was done. Send it again.",
        de: "Es wurde nichts getan. Senden Sie sie noch einmal.",
        fr: "Rien n’a été fait. Envoyez-la de nouveau.",
        es: "No se ha hecho nada. Envíela de nuevo.",
    }
    /// An address is longer than any.
    fn no_address_that_long() {
        en: "Nothing was done. No address here is that long.",
        de: "Es wurde nichts getan. Keine Adresse ist hier so lang.",
        fr: "Rien n’a été fait. Aucune adresse ici n’est aussi longue.",
        es: "No se ha hecho nada. Aquí ninguna dirección es tan larga.",
    }
    /// The database cannot be reached.
    fn unavailable() {
        en: "Nothing was done and nothing was charged by this request. Please try again in a moment.",
        de: "Durch diese Anfrage wurde nichts getan und nichts abgebucht. Bitte versuchen Sie es gleich noch einmal.",
        fr: "Cette demande n’a rien fait et rien débité. Veuillez réessayer dans un instant.",
        es: "Esta solicitud no hizo ni cobró nada. Inténtelo de nuevo dentro de un momento.",
    }
    /// The database does not answer.
    fn database_silent() {
        en: "The shop’s database does not answer at the moment. Nothing was done and nothing was charged by this request. Please try again in a moment.",
        de: "Die Datenbank des Shops antwortet gerade nicht. Durch diese Anfrage wurde nichts getan und nichts abgebucht. Bitte versuchen Sie es gleich noch einmal.",
        fr: "La base de données de la billetterie ne répond pas pour l’instant. Cette demande n’a rien fait et rien débité. Veuillez réessayer dans un instant.",
        es: "La base de datos de la tienda no responde en este momento. Esta solicitud no hizo ni cobró nada. Inténtelo de nuevo dentro de un momento.",
    }
    /// The database went back to an earlier state, and somebody must look first.
    fn sale_stopped() {
        en: "The shop has stopped its sale, because its records must be checked first. Nothing was done and nothing was charged by this request. Please try again later.",
        de: "Der Shop hat den Verkauf angehalten, weil zuerst seine Aufzeichnungen geprüft werden müssen. Durch diese Anfrage wurde nichts getan und nichts abgebucht. Bitte versuchen Sie es später noch einmal.",
        fr: "La billetterie a suspendu la vente, car ses registres doivent d’abord être vérifiés. Cette demande n’a rien fait et rien débité. Veuillez réessayer plus tard.",
        es: "La tienda ha detenido la venta porque antes hay que comprobar sus registros. Esta solicitud no hizo ni cobró nada. Inténtelo de nuevo más tarde.",
    }
    /// It is not known whether a commit was recorded.
    fn in_doubt() {
        en: "Ask again with the same Idempotency-Key, or reload the order's page: you get the true answer as soon as we know it. Under that key it is not done twice.",
        de: "Fragen Sie mit demselben Idempotency-Key noch einmal, oder laden Sie die Seite der Bestellung neu: Sie erhalten die richtige Antwort, sobald wir sie kennen. Unter diesem Schlüssel wird nichts doppelt getan.",
        fr: "Redemandez avec la même Idempotency-Key, ou rechargez la page de la commande\u{a0}: vous aurez la vraie réponse dès que nous la connaîtrons. Sous cette clé, rien n’est fait deux fois.",
        es: "Pregunte de nuevo con la misma Idempotency-Key o vuelva a cargar la página del pedido: tendrá la respuesta verdadera en cuanto la sepamos. Con esa clave no se hace dos veces.",
    }
    /// Behind the limits of a network.
    fn limit_of_network() {
        en: "This limit is for a whole network: all who use your connection share it.",
        de: "Diese Grenze gilt für ein ganzes Netz: Alle, die Ihren Anschluss nutzen, teilen sie sich.",
        fr: "Cette limite vaut pour tout un réseau\u{a0}: toutes les personnes qui utilisent votre connexion la partagent.",
        es: "Este límite es de toda la red: lo comparten todos los que usan su conexión.",
    }
    /// Too many hold requests.
    fn nothing_held(again: &str) {
        en: format!("Nothing was held by this request. Please try again in {again}."),
        de: format!("Durch diese Anfrage wurde nichts reserviert. Bitte versuchen Sie es in {again} noch einmal."),
        fr: format!("Cette demande n’a rien réservé. Veuillez réessayer dans {again}."),
        es: format!("Esta solicitud no reservó nada. Inténtelo de nuevo dentro de {again}."),
    }
    /// Too many unpaid places of a network.
    fn most_unpaid_of_network(most: u64, again: &str) {
        en: format!("Nothing more was held. At most {most} {} here can be unpaid at a time from one network: pay what you hold or give it back, or try again in {again}.", one(most, "place", "places")),
        de: format!("Es wurde nichts weiter reserviert. Höchstens {most} {} aus einem Netz können hier gleichzeitig unbezahlt sein: Bezahlen Sie Ihre Reservierung oder geben Sie sie zurück, oder versuchen Sie es in {again} noch einmal.", one(most, "Platz", "Plätze")),
        fr: format!("Rien de plus n’a été réservé. {most} {} à la fois par réseau au maximum\u{a0}: payez ce que vous avez réservé ou rendez-le, ou réessayez dans {again}.", one_fr(most, "place impayée", "places impayées")),
        es: format!("No se reservó nada más. Como máximo {most} {} a la vez por red: pague lo que tiene reservado o devuélvalo, o inténtelo de nuevo dentro de {again}.", one(most, "plaza sin pagar", "plazas sin pagar")),
    }
    /// Too many unpaid places of an address.
    fn most_unpaid_of_buyer(most: u64, again: &str) {
        en: format!("Nothing more was held. At most {most} {} here can be unpaid at a time for one buyer: pay what you hold or give it back, or try again in {again}.", one(most, "place", "places")),
        de: format!("Es wurde nichts weiter reserviert. Höchstens {most} {} einer Person können hier gleichzeitig unbezahlt sein: Bezahlen Sie Ihre Reservierung oder geben Sie sie zurück, oder versuchen Sie es in {again} noch einmal.", one(most, "Platz", "Plätze")),
        fr: format!("Rien de plus n’a été réservé. {most} {} à la fois par acheteur au maximum\u{a0}: payez ce que vous avez réservé ou rendez-le, ou réessayez dans {again}.", one_fr(most, "place impayée", "places impayées")),
        es: format!("No se reservó nada más. Como máximo {most} {} a la vez por comprador: pague lo que tiene reservado o devuélvalo, o inténtelo de nuevo dentro de {again}.", one(most, "plaza sin pagar", "plazas sin pagar")),
    }
    /// Too many attempts to pay.
    fn attempt_not_begun(again: &str) {
        en: format!("This attempt was not begun. Please try again in {again}."),
        de: format!("Dieser Versuch wurde nicht begonnen. Bitte versuchen Sie es in {again} noch einmal."),
        fr: format!("Cette tentative n’a pas été commencée. Veuillez réessayer dans {again}."),
        es: format!("Este intento no se inició. Inténtelo de nuevo dentro de {again}."),
    }
    /// Many payments are declined at once.
    fn many_are_declined() {
        en: "Very many payments are being declined at the moment, and one of yours or of your network was.",
        de: "Im Moment werden sehr viele Zahlungen abgelehnt, auch eine von Ihnen oder aus Ihrem Netz.",
        fr: "De très nombreux paiements sont refusés en ce moment, dont un des vôtres ou de votre réseau.",
        es: "En este momento se están rechazando muchísimos pagos, también uno suyo o de su red.",
    }
    /// Too many wrong codes, as a title.
    fn too_many_wrong_codes() {
        en: "Too many wrong codes",
        de: "Zu viele falsche Codes",
        fr: "Trop de codes erronés",
        es: "Demasiados códigos incorrectos",
    }
    /// Too many wrong codes.
    fn code_not_tried(again: &str) {
        en: format!("The code was not looked at, and nothing was reserved. You can order without a code, or try again in {again}."),
        de: format!("Der Code wurde nicht geprüft, und es wurde nichts reserviert. Sie können ohne Code bestellen oder es in {again} noch einmal versuchen."),
        fr: format!("Le code n’a pas été vérifié et rien n’a été réservé. Vous pouvez commander sans code, ou réessayer dans {again}."),
        es: format!("El código no se ha comprobado y no se ha reservado nada. Puede hacer el pedido sin código o intentarlo de nuevo dentro de {again}."),
    }
    /// Too many looks at orders.
    fn nothing_was_changed(again: &str) {
        en: format!("Nothing was changed. Please try again in {again}."),
        de: format!("Es wurde nichts geändert. Bitte versuchen Sie es in {again} noch einmal."),
        fr: format!("Rien n’a été modifié. Veuillez réessayer dans {again}."),
        es: format!("No se ha cambiado nada. Inténtelo de nuevo dentro de {again}."),
    }
    /// Nobody was written to.
    fn no_mail_was_sent(again: &str) {
        en: format!("No mail was sent. Please try again in {again}."),
        de: format!("Es wurde keine E-Mail gesendet. Bitte versuchen Sie es in {again} noch einmal."),
        fr: format!("Aucun e-mail n’a été envoyé. Veuillez réessayer dans {again}."),
        es: format!("No se ha enviado ningún correo. Inténtelo de nuevo dentro de {again}."),
    }
    /// The one attempt that a name alone has was declined; behind the reason.
    fn another_needs_form() {
        en: "Nothing was charged. Another attempt needs the form that the reservation answered, with all its fields.",
        de: "Es wurde nichts abgebucht. Ein weiterer Versuch braucht das Formular der Reservierung mit allen Feldern.",
        fr: "Rien n’a été débité. Une autre tentative nécessite le formulaire de la réservation, avec tous ses champs.",
        es: "No se ha cobrado nada. Otro intento necesita el formulario de la reserva con todos sus campos.",
    }
    /// After a decline.
    fn time_is_over_at(until: &str) {
        en: format!("The time is over at {until}."),
        de: format!("Ende der Zeit: {until}."),
        fr: format!("Fin du temps imparti\u{a0}: {until}."),
        es: format!("Fin del tiempo: {until}."),
    }
    /// After a decline, when the order is released.
    fn released_after_decline() {
        en: "Nothing was charged. The time is over and the places went back on sale; you can order again.",
        de: "Es wurde nichts abgebucht. Die Zeit ist abgelaufen, und die Plätze sind wieder im Verkauf; Sie können neu bestellen.",
        fr: "Rien n’a été débité. Le temps est écoulé et les places ont été remises en vente\u{202f}; vous pouvez commander de nouveau.",
        es: "No se ha cobrado nada. El tiempo ha terminado y las plazas han vuelto a la venta; puede volver a pedir.",
    }
}

// The page of a problem code.
words! {
    /// What programs get. What stands in backticks is code.
    fn programs_get(code: &str, statuses: &str) {
        en: format!("Programs get the code `{code}` with the HTTP status {statuses}."),
        de: format!("Programme bekommen den Code `{code}` mit dem HTTP-Status {statuses}."),
        fr: format!("Les programmes reçoivent le code `{code}` avec le statut HTTP {statuses}."),
        es: format!("Los programas reciben el código `{code}` con el estado HTTP {statuses}."),
    }
    /// Between several, with its spaces.
    fn or() {
        en: " or ",
        de: " oder ",
        fr: " ou ",
        es: " o ",
    }
    /// Above the list.
    fn all_problem_codes() {
        en: "All problem codes",
        de: "Alle Problemcodes",
        fr: "Tous les codes de problème",
        es: "Todos los códigos de problema",
    }
}

// Whether money moved.
words! {
    /// Of an order that may have been paid before.
    fn no_money_by_this_request() {
        en: "No money was moved by this request.",
        de: "Durch diese Anfrage wurde kein Geld bewegt.",
        fr: "Cette demande n’a entraîné aucun mouvement d’argent.",
        es: "Esta solicitud no movió dinero.",
    }
    /// To somebody who wanted to pay.
    fn no_money() {
        en: "No money was moved.",
        de: "Es wurde kein Geld bewegt.",
        fr: "Aucun montant n’a été transféré.",
        es: "No se movió dinero.",
    }
    /// It was.
    fn money_moved() {
        en: "The money was moved.",
        de: "Das Geld wurde bewegt.",
        fr: "Le montant a été transféré.",
        es: "El dinero se movió.",
    }
    /// Nobody knows.
    fn money_unknown() {
        en: "We do not know yet whether money was moved; it cannot be moved twice.",
        de: "Wir wissen noch nicht, ob Geld bewegt wurde; doppelt kann es nicht bewegt werden.",
        fr: "Nous ne savons pas encore si le montant a été transféré\u{202f}; il ne peut pas l’être deux fois.",
        es: "Todavía no sabemos si se movió dinero; no se puede mover dos veces.",
    }
}

// Refusals that buyers get.
words! {
    /// A refusal.
    fn refused_unknown_event() {
        en: "Look at the list of events for what is on sale.",
        de: "Was im Verkauf ist, steht in der Liste der Veranstaltungen.",
        fr: "Consultez la liste des événements pour voir ce qui est en vente.",
        es: "Consulte la lista de eventos para ver lo que está a la venta.",
    }
    /// A refusal.
    fn refused_unknown_type(name: &str) {
        en: format!("“{name}” is not on offer here."),
        de: format!("„{name}“ wird hier nicht angeboten."),
        fr: format!("«\u{a0}{name}\u{a0}» n’est pas proposé ici."),
        es: format!("«{name}» no se ofrece aquí."),
    }
    /// A refusal.
    fn refused_unknown_order() {
        en: "The link is incomplete, or it is not yours. Open the whole link from your mail, or get it again under “Lost your tickets?”.",
        de: "Der Link ist unvollständig, oder es ist nicht Ihrer. Öffnen Sie den ganzen Link aus Ihrer E-Mail, oder lassen Sie ihn sich unter „Tickets verloren?“ noch einmal senden.",
        fr: "Le lien est incomplet, ou ce n’est pas le vôtre. Ouvrez le lien complet reçu par e-mail, ou demandez-le de nouveau sous «\u{a0}Billets perdus\u{202f}?\u{a0}».",
        es: "El enlace está incompleto o no es suyo. Abra el enlace completo de su correo o pídalo de nuevo en «¿Ha perdido sus entradas?».",
    }
    /// A refusal.
    fn refused_opens(at: &str) {
        en: format!("The sale opens at {at}."),
        de: format!("Verkaufsbeginn: {at}."),
        fr: format!("Début de la vente\u{a0}: {at}."),
        es: format!("Inicio de la venta: {at}."),
    }
    /// A refusal.
    fn refused_closed(at: &str) {
        en: format!("It closed at {at}."),
        de: format!("Verkaufsende: {at}."),
        fr: format!("Fin de la vente\u{a0}: {at}."),
        es: format!("Fin de la venta: {at}."),
    }
    /// A refusal.
    fn refused_over(at: &str) {
        en: format!("It ended at {at}, and no tickets are sold any more."),
        de: format!("Ende: {at}. Es werden keine Tickets mehr verkauft."),
        fr: format!("Fin\u{a0}: {at}. Plus aucun billet n’est vendu."),
        es: format!("Fin: {at}. Ya no se venden entradas."),
    }
    /// A refusal: the organiser has paused the sale.
    fn refused_paused() {
        en: "The organiser has paused the sale. Nothing was reserved. Please try again later.",
        de: "Der Veranstalter hat den Verkauf unterbrochen. Es wurde nichts reserviert. Bitte versuchen Sie es später noch einmal.",
        fr: "L’organisateur a suspendu la vente. Rien n’a été réservé. Veuillez réessayer plus tard.",
        es: "El organizador ha puesto la venta en pausa. No se ha reservado nada. Vuelva a intentarlo más tarde.",
    }
    /// A refusal: the event does not take place.
    fn refused_event_canceled() {
        en: "The event was cancelled and will not take place. Nothing was charged now. What was paid for it goes back by itself.",
        de: "Die Veranstaltung wurde abgesagt und findet nicht statt. Jetzt wurde nichts abgebucht. Was dafür bezahlt wurde, geht von selbst zurück.",
        fr: "L’événement est annulé et n’aura pas lieu. Rien n’a été débité maintenant. Ce qui a été payé est remboursé automatiquement.",
        es: "El evento se ha cancelado y no se celebrará. Ahora no se ha cobrado nada. Lo pagado se devuelve automáticamente.",
    }
    /// A refusal.
    fn refused_sold_out(name: &str) {
        en: format!("“{name}” is sold out. Nothing was reserved."),
        de: format!("„{name}“ ist ausverkauft. Es wurde nichts reserviert."),
        fr: format!("«\u{a0}{name}\u{a0}»\u{a0}: complet. Rien n’a été réservé."),
        es: format!("«{name}» está agotado. No se ha reservado nada."),
    }
    /// A refusal.
    fn refused_all_reserved(name: &str, may_come_back: &str) {
        en: format!("All of “{name}” are reserved at the moment. {may_come_back}"),
        de: format!("Von „{name}“ ist im Moment alles reserviert. {may_come_back}"),
        fr: format!("«\u{a0}{name}\u{a0}»\u{a0}: tout est réservé pour l’instant. {may_come_back}"),
        es: format!("De «{name}» todo está reservado por el momento. {may_come_back}"),
    }
    /// A refusal: of one ticket type, whose sale begins later.
    fn refused_type_opens(name: &str, at: &str) {
        en: format!("The sale of “{name}” opens at {at}. Nothing was reserved."),
        de: format!("Verkaufsbeginn von „{name}“: {at}. Es wurde nichts reserviert."),
        fr: format!("Début de la vente de «\u{a0}{name}\u{a0}»\u{a0}: {at}. Rien n’a été réservé."),
        es: format!("Inicio de la venta de «{name}»: {at}. No se ha reservado nada."),
    }
    /// A refusal: of one ticket type, whose sale is over.
    fn refused_type_closed(name: &str, at: &str) {
        en: format!("The sale of “{name}” closed at {at}. Nothing was reserved."),
        de: format!("Verkaufsende von „{name}“: {at}. Es wurde nichts reserviert."),
        fr: format!("Fin de la vente de «\u{a0}{name}\u{a0}»\u{a0}: {at}. Rien n’a été réservé."),
        es: format!("Fin de la venta de «{name}»: {at}. No se ha reservado nada."),
    }
    /// A refusal: nobody knows this code.
    fn refused_unknown_code() {
        en: "This event has no such code. Check how it is written, or order without it. Nothing was reserved.",
        de: "Diesen Code gibt es für diese Veranstaltung nicht. Prüfen Sie die Schreibweise, oder bestellen Sie ohne ihn. Es wurde nichts reserviert.",
        fr: "Ce code n’existe pas pour cet événement. Vérifiez comment il s’écrit, ou commandez sans lui. Rien n’a été réservé.",
        es: "Este evento no tiene ese código. Compruebe cómo se escribe o haga el pedido sin él. No se ha reservado nada.",
    }
    /// A refusal: the code is valid later.
    fn refused_code_early(at: &str) {
        en: format!("The code is valid from {at} on. Order then, or without it. Nothing was reserved."),
        de: format!("Der Code gilt ab: {at}. Bestellen Sie dann oder ohne ihn. Es wurde nichts reserviert."),
        fr: format!("Le code est valable à partir de\u{a0}: {at}. Commandez alors, ou sans lui. Rien n’a été réservé."),
        es: format!("El código es válido a partir de: {at}. Haga el pedido entonces o sin él. No se ha reservado nada."),
    }
    /// A refusal: the code was valid before.
    fn refused_code_over(at: &str) {
        en: format!("The code was valid until {at}. Order without it. Nothing was reserved."),
        de: format!("Der Code galt bis: {at}. Bestellen Sie ohne ihn. Es wurde nichts reserviert."),
        fr: format!("Le code était valable jusqu’à\u{a0}: {at}. Commandez sans lui. Rien n’a été réservé."),
        es: format!("El código fue válido hasta: {at}. Haga el pedido sin él. No se ha reservado nada."),
    }
    /// A refusal: the code reaches for no ticket any more.
    fn refused_code_used_up() {
        en: "The code is used up. Order without it. Nothing was reserved.",
        de: "Der Code ist aufgebraucht. Bestellen Sie ohne ihn. Es wurde nichts reserviert.",
        fr: "Le code est épuisé. Commandez sans lui. Rien n’a été réservé.",
        es: "El código está agotado. Haga el pedido sin él. No se ha reservado nada.",
    }
    /// A refusal: all uses of the code are taken, some by orders that are not paid.
    fn refused_code_all_reserved() {
        en: "All uses of the code are reserved at the moment, and some may come back. Try again in a few minutes, or order without it. Nothing was reserved.",
        de: "Der Code ist im Moment vollständig vergeben, manches davon kann wieder frei werden. Versuchen Sie es in einigen Minuten noch einmal, oder bestellen Sie ohne ihn. Es wurde nichts reserviert.",
        fr: "Toutes les utilisations du code sont réservées en ce moment, et certaines peuvent se libérer. Réessayez dans quelques minutes, ou commandez sans lui. Rien n’a été réservé.",
        es: "Todos los usos del código están reservados en este momento y algunos pueden volver. Inténtelo de nuevo dentro de unos minutos o haga el pedido sin él. No se ha reservado nada.",
    }
    /// A refusal: the code reaches for fewer tickets.
    fn refused_code_only_left(left: u64) {
        en: format!("The code is good for {left} more {}. Nothing was reserved; order fewer with it.", one(left, "ticket", "tickets")),
        de: format!("Der Code reicht noch für {left} {}. Es wurde nichts reserviert; bestellen Sie weniger damit.", one(left, "Ticket", "Tickets")),
        fr: format!("Le code est encore valable pour {left} {}. Rien n’a été réservé\u{202f}; commandez-en moins avec lui.", one_fr(left, "billet", "billets")),
        es: format!("El código aún vale para {left} {}. No se ha reservado nada; pida menos con él.", one(left, "entrada", "entradas")),
    }
    /// So many at this price each; several of them are put together with commas.
    fn so_many_at(quantity: u32, price: &str) {
        en: format!("{quantity} at {price}"),
        de: format!("{quantity} zu {price}"),
        fr: format!("{quantity} à {price}"),
        es: format!("{quantity} a {price}"),
    }
    /// A refusal: what was shown is not the price any more. `prices` are those of now.
    fn refused_price_changed(name: &str, before: &str, prices: &str) {
        en: format!("“{name}” was shown at {before}; now it is {prices}. Nothing was reserved. Order again if that is fine."),
        de: format!("„{name}“ wurde für {before} angezeigt; jetzt sind es {prices}. Es wurde nichts reserviert. Bestellen Sie noch einmal, wenn Ihnen das recht ist."),
        fr: format!("«\u{a0}{name}\u{a0}» était affiché à {before}\u{202f}; maintenant, c’est {prices}. Rien n’a été réservé. Commandez de nouveau si cela vous convient."),
        es: format!("«{name}» se mostraba a {before}; ahora es {prices}. No se ha reservado nada. Vuelva a hacer el pedido si le parece bien."),
    }
    /// A refusal.
    fn refused_only_left(name: &str, left: u64) {
        en: format!("Only {left} left of “{name}”. Nothing was reserved; order fewer."),
        de: format!("Von „{name}“ {} nur noch {left} verfügbar. Es wurde nichts reserviert; bestellen Sie weniger.", one(left, "ist", "sind")),
        fr: format!("Il ne reste que {left} «\u{a0}{name}\u{a0}». Rien n’a été réservé\u{202f}; commandez-en moins."),
        es: format!("Solo {} {left} de «{name}». No se ha reservado nada; pida menos.", one(left, "queda", "quedan")),
    }
    /// Behind that.
    fn held_may_come_back(held: u64) {
        en: format!("{held} {} reserved and not paid yet; some may come back.", one(held, "place is", "places are")),
        de: format!("{held} {} reserviert und noch nicht bezahlt; vielleicht werden einige wieder frei.", one(held, "Platz ist", "Plätze sind")),
        fr: format!("{held} {} pas encore {}\u{202f}; certaines peuvent se libérer.", one_fr(held, "place est réservée et", "places sont réservées et"), one_fr(held, "payée", "payées")),
        es: format!("{held} {}; puede que algunas vuelvan a estar disponibles.", one(held, "plaza está reservada y aún sin pagar", "plazas están reservadas y aún sin pagar")),
    }
    /// A refusal.
    fn refused_limit_per_order(limit: u64) {
        en: format!("One order has at most {limit} {} here.", one(limit, "ticket", "tickets")),
        de: format!("Eine Bestellung hat hier höchstens {limit} {}.", one(limit, "Ticket", "Tickets")),
        fr: format!("Une commande a ici au maximum {limit} {}.", one_fr(limit, "billet", "billets")),
        es: format!("Un pedido tiene aquí como máximo {limit} {}.", one(limit, "entrada", "entradas")),
    }
    /// A refusal.
    fn refused_limit_per_buyer(limit: u64, has: u64) {
        en: format!("One buyer gets at most {limit} here, and you have {has} already."),
        de: format!("Eine Person bekommt hier höchstens {limit}, und Sie haben bereits {has}."),
        fr: format!("Un acheteur en obtient ici au maximum {limit}, et vous en avez déjà {has}."),
        es: format!("Cada comprador obtiene aquí como máximo {limit}, y usted ya tiene {has}."),
    }
    /// A refusal.
    fn refused_hold_expired() {
        en: "Your tickets went back on sale. Nothing was charged. You can order again.",
        de: "Ihre Tickets sind wieder im Verkauf. Es wurde nichts abgebucht. Sie können neu bestellen.",
        fr: "Vos billets ont été remis en vente. Rien n’a été débité. Vous pouvez commander de nouveau.",
        es: "Sus entradas han vuelto a la venta. No se ha cobrado nada. Puede volver a pedir.",
    }
    /// Behind other refusals.
    fn can_order_again() {
        en: "You can order again.",
        de: "Sie können neu bestellen.",
        fr: "Vous pouvez commander de nouveau.",
        es: "Puede volver a pedir.",
    }
    /// A refusal.
    fn refused_payment_under_way() {
        en: "The attempt before is not decided yet; nothing was tried now. Look at the order in a moment.",
        de: "Der vorige Versuch ist noch nicht entschieden; jetzt wurde nichts versucht. Sehen Sie gleich noch einmal in die Bestellung.",
        fr: "La tentative précédente n’a pas encore abouti\u{202f}; rien de nouveau n’a été tenté. Regardez la commande dans un instant.",
        es: "El intento anterior aún no está decidido; ahora no se intentó nada. Mire el pedido dentro de un momento.",
    }
    /// A refusal.
    fn refused_too_many_attempts(most: u64, until: &str) {
        en: format!("{most} cards were tried for this order, and it takes no more. Cancel this reservation, or wait until {until}, when it ends by itself; then you can order again."),
        de: format!("Für diese Bestellung wurden {most} Karten versucht, mehr sind nicht möglich. Stornieren Sie diese Reservierung, oder warten Sie, bis sie von selbst endet ({until}); dann können Sie neu bestellen."),
        fr: format!("{most} cartes ont été essayées pour cette commande, et elle n’en accepte pas davantage. Annulez cette réservation, ou attendez qu’elle prenne fin d’elle-même ({until})\u{202f}; vous pourrez alors commander de nouveau."),
        es: format!("Se probaron {most} tarjetas para este pedido y no admite más. Cancele esta reserva o espere a que termine por sí sola ({until}); entonces podrá volver a pedir."),
    }
    /// A refusal.
    fn refused_already_paid() {
        en: "The payment of this order is approved or done; it was not tried again. The order's page tells how it stands.",
        de: "Die Zahlung dieser Bestellung ist genehmigt oder erledigt; sie wurde nicht noch einmal versucht. Wie es steht, sagt die Seite der Bestellung.",
        fr: "Le paiement de cette commande est accepté ou effectué\u{202f}; il n’a pas été tenté de nouveau. La page de la commande indique où elle en est.",
        es: "El pago de este pedido está aprobado o hecho; no se volvió a intentar. La página del pedido dice cómo está.",
    }
    /// A refusal, by what became of the order.
    fn was_refunded() {
        en: "It was refunded.",
        de: "Sie wurde erstattet.",
        fr: "Elle a été remboursée.",
        es: "Se reembolsó.",
    }
    /// A refusal, by what became of the order.
    fn tickets_went_back() {
        en: "Its tickets went back on sale.",
        de: "Ihre Tickets sind wieder im Verkauf.",
        fr: "Ses billets ont été remis en vente.",
        es: "Sus entradas han vuelto a la venta.",
    }
    /// A refusal, by what became of the order.
    fn cancelled_or_expired() {
        en: "It was cancelled or it has expired: its tickets went back on sale.",
        de: "Sie wurde storniert oder ist abgelaufen: Ihre Tickets sind wieder im Verkauf.",
        fr: "Elle a été annulée ou a expiré\u{a0}: ses billets ont été remis en vente.",
        es: "Se canceló o ha caducado: sus entradas han vuelto a la venta.",
    }
    /// Behind that.
    fn nothing_tried_see_order() {
        en: "Nothing was tried now. The order's page tells what became of its money, if any was moved. You can order again.",
        de: "Jetzt wurde nichts versucht. Was aus dem Geld geworden ist, falls welches bewegt wurde, sagt die Seite der Bestellung. Sie können neu bestellen.",
        fr: "Rien n’a été tenté maintenant. La page de la commande indique ce qu’est devenu l’argent, s’il y en a eu. Vous pouvez commander de nouveau.",
        es: "Ahora no se intentó nada. La página del pedido dice qué fue del dinero, si se movió alguno. Puede volver a pedir.",
    }
    /// A refusal.
    fn refused_not_due() {
        en: "Its time is not over.",
        de: "Ihre Zeit ist noch nicht abgelaufen.",
        fr: "Son temps n’est pas écoulé.",
        es: "Su tiempo no ha terminado.",
    }
    /// Why an order keeps its address: there are no tickets to be sent.
    fn refused_address_no_tickets() {
        en: "It has no tickets to be sent. Nothing was changed.",
        de: "Sie hat keine Tickets, die zu senden wären. Nichts wurde geändert.",
        fr: "Elle n’a pas de billets à envoyer. Rien n’a été modifié.",
        es: "No tiene entradas que enviar. No se ha cambiado nada.",
    }
    /// Why: its buyer was erased.
    fn refused_address_erased() {
        en: "The buyer's name and address were erased. Nothing was changed.",
        de: "Name und Adresse der bestellenden Person wurden gelöscht. Nichts wurde geändert.",
        fr: "Le nom et l’adresse de l’acheteur ont été effacés. Rien n’a été modifié.",
        es: "El nombre y la dirección del comprador se han borrado. No se ha cambiado nada.",
    }
    /// Why: it has none, but a name.
    fn refused_address_never() {
        en: "It was reserved under a name, without an address. Nothing was changed.",
        de: "Sie wurde unter einem Namen reserviert, ohne Adresse. Nichts wurde geändert.",
        fr: "Elle a été réservée sous un nom, sans adresse. Rien n’a été modifié.",
        es: "Se reservó a un nombre, sin dirección. No se ha cambiado nada.",
    }
    /// Why: the event is over.
    fn refused_address_over(at: &str) {
        en: format!("The event ended at {at}. Nothing was changed."),
        de: format!("Ende der Veranstaltung: {at}. Nichts wurde geändert."),
        fr: format!("Fin de l’événement\u{a0}: {at}. Rien n’a été modifié."),
        es: format!("Fin del evento: {at}. No se ha cambiado nada."),
    }
    /// Why: other orders of the buyer are to be changed first.
    fn refused_address_newest() {
        en: "Your other orders for this event have the same address. Change theirs first, the oldest one first.",
        de: "Ihre anderen Bestellungen für diese Veranstaltung haben dieselbe Adresse. Ändern Sie zuerst deren Adresse, die älteste zuerst.",
        fr: "Vos autres commandes pour cet événement ont la même adresse. Modifiez d’abord la leur, en commençant par la plus ancienne.",
        es: "Sus otros pedidos para este evento tienen la misma dirección. Cambie primero la de ellos, empezando por el más antiguo.",
    }
}

impl Lang {
    /// What a refusal means for who asked, and what to do next. `time` tells a time.
    pub fn refused(self, refusal: &Refusal, time: impl Fn(i64) -> String) -> Words {
        let behind = |first: Words, second: Words| Words::from(format!("{first} {second}"));
        match refusal {
            Refusal::UnknownEvent => self.refused_unknown_event(),
            Refusal::UnknownTicketType(id) => self.refused_unknown_type(&shorten(id)),
            Refusal::UnknownOrder => self.refused_unknown_order(),
            Refusal::NotYetOnSale(opens) => self.refused_opens(&time(*opens)),
            Refusal::SaleClosed(closed) => self.refused_closed(&time(*closed)),
            Refusal::EventOver(ended) => self.refused_over(&time(*ended)),
            Refusal::SalePaused => self.refused_paused(),
            Refusal::EventCanceled => self.refused_event_canceled(),
            Refusal::SoldOut { ticket_type, left: 0, held: 0 } => {
                self.refused_sold_out(&shorten(ticket_type))
            }
            Refusal::SoldOut { ticket_type, left: 0, held } => {
                let back = self.held_may_come_back((*held).into());
                self.refused_all_reserved(&shorten(ticket_type), &back)
            }
            Refusal::SoldOut { ticket_type, left, held } => {
                let only = self.refused_only_left(&shorten(ticket_type), (*left).into());
                match held {
                    0 => only,
                    held => behind(only, self.held_may_come_back((*held).into())),
                }
            }
            Refusal::TypeNotYetOnSale { ticket_type, opens_ms } => {
                self.refused_type_opens(&shorten(ticket_type), &time(*opens_ms))
            }
            Refusal::TypeSaleClosed { ticket_type, closed_ms } => {
                self.refused_type_closed(&shorten(ticket_type), &time(*closed_ms))
            }
            Refusal::UnknownCode => self.refused_unknown_code(),
            Refusal::CodeNotYetValid(from) => self.refused_code_early(&time(*from)),
            Refusal::CodeOver(until) => self.refused_code_over(&time(*until)),
            Refusal::CodeUsedUp { left: 0, held: 0 } => self.refused_code_used_up(),
            Refusal::CodeUsedUp { left: 0, .. } => self.refused_code_all_reserved(),
            Refusal::CodeUsedUp { left, .. } => self.refused_code_only_left((*left).into()),
            Refusal::PriceChanged { ticket_type, shown_minor, prices, currency } => {
                let money = |minor| self.price(Money { minor, currency: *currency });
                let prices = self.prices_of(prices, *currency);
                self.refused_price_changed(&shorten(ticket_type), &money(*shown_minor), &prices)
            }
            Refusal::LimitPerOrder(limit) => self.refused_limit_per_order((*limit).into()),
            Refusal::LimitPerBuyer { limit, has, .. } => {
                self.refused_limit_per_buyer((*limit).into(), (*has).into())
            }
            Refusal::HoldExpired => self.refused_hold_expired(),
            Refusal::PaymentExpired => {
                behind(self.payment_being_cancelled(), self.can_order_again())
            }
            Refusal::PaymentUnderWay => self.refused_payment_under_way(),
            Refusal::TooManyAttempts { most, until_ms } => {
                self.refused_too_many_attempts((*most).into(), &time(*until_ms))
            }
            Refusal::AlreadyPaid => self.refused_already_paid(),
            Refusal::Canceled(state) => {
                let what = match state {
                    OrderState::Canceling => self.payment_being_cancelled(),
                    OrderState::Refunded => self.was_refunded(),
                    OrderState::Void => self.tickets_went_back(),
                    _ => self.cancelled_or_expired(),
                };
                behind(what, self.nothing_tried_see_order())
            }
            Refusal::NotDue => self.refused_not_due(),
            Refusal::AnswersMissing { text, ticket, .. } => {
                self.refused_answers_missing(&self.asked_at(text, *ticket))
            }
            Refusal::AnswerInvalid(flawed) => self.refused_answer(flawed),
            Refusal::AnswersFixed(since) => self.refused_answers_fixed(&time(*since)),
            Refusal::NoTickets(_) => self.ticket_not_issued(),
            Refusal::UnknownTicket(_) => self.ticket_number_unknown(),
            Refusal::TicketRevoked => self.ticket_was_refunded(),
            Refusal::NamesFixed(since) => self.ticket_names_fixed(&time(*since)),
            Refusal::TooManyNames(most) => self.ticket_named_often(*most),
            Refusal::BuyerErased => self.ticket_names_erased(),
            Refusal::AddressFixed(why) => match why {
                AddressFixed::NoTickets(_) => self.refused_address_no_tickets(),
                AddressFixed::Erased => self.refused_address_erased(),
                AddressFixed::Never => self.refused_address_never(),
                AddressFixed::EventOver(ended) => self.refused_address_over(&time(*ended)),
                AddressFixed::Newest => self.refused_address_newest(),
            },
            // Only organisers and programmers can get these.
            Refusal::Invalid(what) => format!("{}.", capital(what)).into(),
            Refusal::TotalChanged { shown_minor, total_minor, currency } => {
                let money = |minor| self.money(Money { minor, currency: *currency });
                format!("The price has changed meanwhile: it is {} now, not {}. Nothing was sold.", money(*total_minor), money(*shown_minor)).into()
            }
            Refusal::EventDiffers => "It is not as it was when you read it: somebody has changed it meanwhile. Read it again, and decide anew. Nothing was changed.".into(),
            Refusal::EventExists => "There is an event of this id already. Choose another id, or change that event. Nothing was changed.".into(),
            Refusal::EventOrdered => "There are orders of it, so it stays. Set hidden = true to take it from the lists, or sale_closes to end its sale. Nothing was changed.".into(),
            Refusal::NotPaid(state) => format!("It is {}: there is nothing to refund.", state.word()).into(),
            Refusal::RefundUnderWay => "Wait until it is done, then look at what is left to refund.".into(),
            Refusal::NothingToRefund => "All of it is refunded already.".into(),
            Refusal::AmountTooLarge { most } => format!("At most {} can be refunded.", self.money(*most)).into(),
            Refusal::RefundTooLarge { ticket_type, left } => format!("Only {left} of “{}” can still be refunded.", shorten(ticket_type)).into(),
            Refusal::CapacityBelowTaken { pool, taken } => format!("Of “{}”, {taken} {} held or sold; its capacity cannot be less. Nothing was changed.", shorten(pool), if *taken == 1 { "place is" } else { "places are" }).into(),
            Refusal::CurrencyFixed => "Places are held or sold in the old currency. Nothing was changed.".into(),
            Refusal::LimitTooLate { taken, most } => format!("{taken} places are held or sold already, and a limit counts them all; on this database at most {most} can be counted while tickets are sold. Nothing was changed. Set the limit before the sale, or sell the rest as another event that has it.").into(),
            Refusal::TagsFixed => "Places are held or sold, and their buyers are counted as the event says now. Leave ignore_email_tags as it is. Nothing was changed.".into(),
            Refusal::PoolFixed(id) => format!("“{}” draws on another pool. Give the new one an id of its own. If nobody ever ordered, you can also delete the event and make it anew. Nothing was changed.", shorten(id)).into(),
            Refusal::TypeSoldUncounted(id) => format!("Some of “{}” may be held or sold already, and they were not counted by themselves. Leave out its capacity, or make another ticket type with one and take this one off sale. Nothing was changed.", shorten(id)).into(),
            Refusal::TooManyParts => "The event has had too many pools, ticket types, price phases or codes in its life. Make a new event.".into(),
        }
    }

    /// So many tickets at so much each, as a list.
    pub fn prices_of(self, prices: &[(u32, i64)], currency: Currency) -> String {
        let at = |&(quantity, minor): &(u32, i64)| {
            self.so_many_at(quantity, &self.price(Money { minor, currency }))
        };
        prices.iter().map(at).collect::<Vec<_>>().join(", ")
    }

    /// The title of a refusal, where it is more exact than its code's.
    pub fn refused_title(self, refusal: &Refusal) -> Option<Words> {
        Some(match refusal {
            Refusal::NotYetOnSale(_) | Refusal::TypeNotYetOnSale { .. } => self.not_on_sale_yet(),
            Refusal::SaleClosed(_) | Refusal::TypeSaleClosed { .. } => self.sale_is_over(),
            Refusal::EventOver(_) => self.the_event_is_over(),
            Refusal::SoldOut { left: 1.., .. } => self.not_enough_tickets(),
            _ => return None,
        })
    }
}
