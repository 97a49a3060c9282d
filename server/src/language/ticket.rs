//! What is said of a ticket: on its own page, where it gets a name, and why it does not.

use super::words;

words! {
    /// Under the QR code.
    fn ticket_show_code() {
        en: "Show this code at the entrance.",
        de: "Zeigen Sie diesen Code am Einlass.",
        fr: "Présentez ce code à l’entrée.",
        es: "Muestre este código en el acceso.",
    }
    /// Where a ticket names nobody.
    fn ticket_no_name() {
        en: "No name on this ticket",
        de: "Auf diesem Ticket steht kein Name",
        fr: "Aucun nom sur ce billet",
        es: "Esta entrada no lleva nombre",
    }
    /// A button.
    fn ticket_print() {
        en: "Print this ticket",
        de: "Dieses Ticket drucken",
        fr: "Imprimer ce billet",
        es: "Imprimir esta entrada",
    }
    /// To whoever has the ticket: the address is the ticket.
    fn ticket_keep() {
        en: "Whoever has this page has the ticket. Only the first to be scanned gets in.",
        de: "Wer diese Seite hat, hat das Ticket. Eingelassen wird nur, wer es zuerst vorzeigt.",
        fr: "Cette page est le billet. Seule la première personne qui le présente peut entrer.",
        es: "Quien tiene esta página tiene la entrada. Solo accede la primera persona que la muestra.",
    }
    /// Above a code that another one has replaced.
    fn ticket_replaced() {
        en: "This ticket was passed on",
        de: "Dieses Ticket wurde weitergegeben",
        fr: "Ce billet a été transmis",
        es: "Esta entrada se ha cedido",
    }
    /// Under it.
    fn ticket_replaced_so() {
        en: "It has a new name and a new code. The code that you opened lets nobody in any more. \
             If you meant to come with it, ask the person who gave it to you for the new link.",
        de: "Es trägt einen neuen Namen und hat einen neuen Code. Mit dem Code, den Sie geöffnet haben, kommt \
             niemand mehr hinein. Wenn Sie damit kommen wollten, bitten Sie die Person, von der Sie ihn haben, \
             um den neuen Link.",
        fr: "Il porte un nouveau nom et un nouveau code. Le code que vous avez ouvert ne permet plus d’entrer. \
             Si vous comptiez l’utiliser, demandez le nouveau lien à la personne qui vous l’a donné.",
        es: "Tiene otro nombre y otro código. El código que ha abierto ya no permite entrar. \
             Si pensaba venir con él, pida el nuevo enlace a la persona que se lo dio.",
    }
    /// Above a code of a ticket that was refunded.
    fn ticket_revoked() {
        en: "This ticket is no longer valid",
        de: "Dieses Ticket ist nicht mehr gültig",
        fr: "Ce billet n’est plus valable",
        es: "Esta entrada ya no es válida",
    }
    /// Under it.
    fn ticket_revoked_so() {
        en: "It was refunded and lets nobody in. If you meant to come with it, ask the person who gave it to you.",
        de: "Es wurde erstattet, und mit ihm kommt niemand hinein. Wenn Sie damit kommen wollten, fragen Sie \
             die Person, von der Sie es haben.",
        fr: "Il a été remboursé et ne permet pas d’entrer. Si vous comptiez l’utiliser, adressez-vous à la \
             personne qui vous l’a donné.",
        es: "Se ha reembolsado y no permite entrar. Si pensaba venir con ella, pregunte a la persona que se la dio.",
    }
    /// Above a code that nobody here has issued.
    fn ticket_unknown() {
        en: "This is not a valid ticket",
        de: "Das ist kein gültiges Ticket",
        fr: "Ce n’est pas un billet valable",
        es: "Esta no es una entrada válida",
    }
    /// Under it.
    fn ticket_unknown_so() {
        en: "The address is incomplete, or the ticket was not issued here. Scan the code again, or ask the person who \
             gave it to you for the link.",
        de: "Die Adresse ist unvollständig, oder das Ticket wurde nicht hier ausgestellt. Scannen Sie den Code noch \
             einmal, oder bitten Sie die Person, von der Sie ihn haben, um den Link.",
        fr: "L’adresse est incomplète, ou le billet n’a pas été émis ici. Scannez de nouveau le code, ou demandez \
             le lien à la personne qui vous l’a donné.",
        es: "La dirección está incompleta o la entrada no se ha emitido aquí. Escanee el código de nuevo o pida el enlace \
             a la persona que se lo dio.",
    }
    /// A link from an order to one of its tickets.
    fn ticket_open() {
        en: "Open this ticket",
        de: "Dieses Ticket öffnen",
        fr: "Ouvrir ce billet",
        es: "Abrir esta entrada",
    }
    /// Opens the form in which a ticket gets a name.
    fn names_title() {
        en: "Hand on this ticket",
        de: "Dieses Ticket weitergeben",
        fr: "Transmettre ce billet",
        es: "Ceder esta entrada",
    }
    /// How that works.
    fn names_how() {
        en: "Put your guest’s name on this ticket, then send your guest the link of its page. That page shows \
             nothing of your order.",
        de: "Tragen Sie den Namen Ihres Gastes ein, und schicken Sie Ihrem Gast dann den Link zur Seite dieses \
             Tickets. Dort steht nichts von Ihrer Bestellung.",
        fr: "Inscrivez le nom de votre invité sur ce billet, puis envoyez-lui le lien de la page du billet. Cette \
             page ne montre rien de votre commande.",
        es: "Ponga el nombre de su invitado en esta entrada y envíele después el enlace de su página. Esa página \
             no muestra nada de su pedido.",
    }
    /// A warning beside it.
    fn names_warning() {
        en: "A new name gives the ticket a new code. The old code stops working, on paper and in mails as well.",
        de: "Mit einem neuen Namen erhält das Ticket einen neuen Code. Der alte Code gilt dann nicht mehr, auch \
             nicht auf Papier oder in E-Mails.",
        fr: "Un nouveau nom donne au billet un nouveau code. L’ancien code ne fonctionne plus, même imprimé ou \
             reçu par e-mail.",
        es: "Con un nombre nuevo, la entrada recibe un código nuevo. El código anterior deja de funcionar, \
             también en papel y en los correos.",
    }
    /// After a name was saved.
    fn names_saved(name: &str) {
        en: format!("Saved: this ticket is for {name} and has a new code. Now send your guest its link."),
        de: format!("Gespeichert: Dieses Ticket ist für {name} und hat einen neuen Code. Schicken Sie Ihrem Gast jetzt den Link."),
        fr: format!("Enregistré\u{a0}: ce billet est pour {name} et a un nouveau code. Envoyez maintenant le lien à votre invité."),
        es: format!("Guardado: esta entrada es para {name} y tiene un código nuevo. Envíe ahora el enlace a su invitado."),
    }
    /// A button of devices that can share links.
    fn names_share() {
        en: "Share the link",
        de: "Link teilen",
        fr: "Partager le lien",
        es: "Compartir el enlace",
    }
    /// A field.
    fn names_field() {
        en: "Name on this ticket",
        de: "Name auf diesem Ticket",
        fr: "Nom sur ce billet",
        es: "Nombre en esta entrada",
    }
    /// A button.
    fn names_save() {
        en: "Save this name",
        de: "Diesen Namen speichern",
        fr: "Enregistrer ce nom",
        es: "Guardar este nombre",
    }
    /// Under a field without a name in it.
    fn names_missing() {
        en: "Please enter a name.",
        de: "Bitte geben Sie einen Namen ein.",
        fr: "Veuillez saisir un nom.",
        es: "Escriba un nombre.",
    }
    /// Under a field with too much in it.
    fn names_long() {
        en: "Please enter a name of at most 200 characters.",
        de: "Bitte geben Sie einen Namen mit höchstens 200 Zeichen ein.",
        fr: "Veuillez saisir un nom de 200 caractères au plus.",
        es: "Escriba un nombre de 200 caracteres como máximo.",
    }
    /// Under a field with characters that nobody can see.
    fn names_unseen() {
        en: "This name has characters that cannot be seen. Please enter it again.",
        de: "Dieser Name enthält unsichtbare Zeichen. Bitte geben Sie ihn neu ein.",
        fr: "Ce nom contient des caractères invisibles. Veuillez le saisir de nouveau.",
        es: "Este nombre contiene caracteres invisibles. Escríbalo de nuevo.",
    }
    /// Why a ticket gets no name: the order is not paid.
    fn ticket_not_issued() {
        en: "Its tickets are issued once it is paid.",
        de: "Die Tickets werden ausgestellt, sobald die Bestellung bezahlt ist.",
        fr: "Les billets sont émis une fois la commande payée.",
        es: "Las entradas se emiten cuando el pedido está pagado.",
    }
    /// Why not: there is none of that number.
    fn ticket_number_unknown() {
        en: "The order has no ticket of this number.",
        de: "Die Bestellung hat kein Ticket mit dieser Nummer.",
        fr: "La commande n’a pas de billet portant ce numéro.",
        es: "El pedido no tiene ninguna entrada con este número.",
    }
    /// Why not: its money went back.
    fn ticket_was_refunded() {
        en: "This ticket was refunded and is no longer valid. Nothing was changed.",
        de: "Dieses Ticket wurde erstattet und ist nicht mehr gültig. Es wurde nichts geändert.",
        fr: "Ce billet a été remboursé et n’est plus valable. Rien n’a été modifié.",
        es: "Esta entrada se ha reembolsado y ya no es válida. No se ha cambiado nada.",
    }
    /// Why not: it is too late. `since` is a time.
    fn ticket_names_fixed(since: &str) {
        en: format!("The names on the tickets are final since {since}. Nothing was changed."),
        de: format!("Die Namen auf den Tickets stehen seit {since} fest. Es wurde nichts geändert."),
        fr: format!("Les noms sur les billets sont définitifs depuis {since}. Rien n’a été modifié."),
        es: format!("Los nombres de las entradas son definitivos desde {since}. No se ha cambiado nada."),
    }
    /// Why not: it had so many names.
    fn ticket_named_often(most: u16) {
        en: format!("This ticket was passed on {most} times and takes no other name. Nothing was changed."),
        de: format!("Dieses Ticket wurde {most}-mal weitergegeben und nimmt keinen weiteren Namen an. Es wurde nichts geändert."),
        fr: format!("Ce billet a été transmis {most} fois et ne peut plus changer de nom. Rien n’a été modifié."),
        es: format!("Esta entrada se ha cedido {most} veces y ya no admite otro nombre. No se ha cambiado nada."),
    }
    /// Why not: the names of the order were erased.
    fn ticket_names_erased() {
        en: "The names of this order were erased, so its tickets take no new ones.",
        de: "Die Namen dieser Bestellung wurden gelöscht; ihre Tickets nehmen keine neuen an.",
        fr: "Les noms de cette commande ont été effacés\u{202f}; ses billets n’en acceptent pas de nouveaux.",
        es: "Los nombres de este pedido se han borrado; sus entradas no admiten otros nuevos.",
    }
}
