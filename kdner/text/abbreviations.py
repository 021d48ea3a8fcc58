"""The abbreviations of each language that end no sentence with a full stop after them.

Single letters never do, in any language, and are not listed. Left out is what is as often a word of its own (French
`art`, `vol` and `sept`), or the last of its sentence (`etc`). Each also counts in capitals, as in headlines.
"""

from __future__ import annotations

from collections.abc import Mapping

from kdner.errors import InputError

DEFAULT_LANGUAGE = "en"


def abbreviations_of(language: str) -> frozenset[str]:
    """Return the abbreviations of a language, in NFC, without the full stop.

    Raises:
        InputError: there is no table for it.
    """
    if language not in ABBREVIATIONS:
        raise InputError(
            f"language {language!r}: expected one of {', '.join(ABBREVIATIONS)}; the last is for all that have no table"
        )
    return ABBREVIATIONS[language]


_ENGLISH = """
    Adm Brig Bros Capt Cmdr Co Col Corp Cpl Dept Dr Drs Fr Gen Gov Hon Inc Jr Lt Ltd Maj Messrs Mr Mrs Ms Mt No Nos
    Prof Pvt Rep Reps Rev Sen Sens Sgt Sr St Ste v vs
    dr mr mrs ms prof st
    Ala Ariz Ark Calif Colo Conn Fla Ft Ga Ill Ind Kan Ky Md Mich Minn Mont Neb Nev Okla Ore Pa Tenn Tex Va Vt Wis Wyo
    Jan Feb Mar Apr Jun Jul Aug Sep Sept Oct Nov Dec
"""
_GERMAN = """
    Abb Abs Abt Anm Aufl Bd Bde Bf Bgm Bhf Co Dipl Dr Fr Frl Hbf Hg Hl Hr Hrn Hrsg Ing Inh Jr Kap Mag Mio Mr Mrd Mrs
    Nr Nrn Pf Pfr Prof Sr St Std Str Tel Tsd Univ Verf Verl Ziff
    dr prof
    abzgl allg bes betr bspw bzgl bzw ca dgl ebd ehem einschl engl evtl exkl frz geb gegr gem gest ggf gez griech hl
    inkl insb insbes ital jr jun kath lat lt max min mind möbl nat niederl od österr phil rd rer resp röm schweiz
    sen sog städt stellv tägl tel ungar verh vgl vs zit zzgl zzt
    Jan Jän Feb Febr Mrz Apr Jun Jul Aug Sep Sept Okt Nov Dez
"""
_GERMAN_ORDINALS = [
    *(str(number) for number in range(100)),
    *(f"{number:02d}" for number in range(10)),
    *(
        tens + ones
        for tens in ("", "X", "XX")
        for ones in ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X")
    ),
]
"""A number of two digits at most with a full stop is an ordinal, as in `am 3. Oktober`; a longer one, such as a year,
is none. So is a Roman one, as in `Ludwig XIV.`"""
_FRENCH = """
    Cdt Cie Cne Dr Drs Ets Gal Gén Lt MM Me Mes Mgr Mgrs Mlle Mlles Mme Mmes Pr Prs Sgt St Ste Stes Sté Sts Vve
    apr av bd boul cf chap dép env ex fig hab ill no nos num obs pl pp réf sq sqq suiv tél vs éd
    janv fév févr avr juil oct nov déc
"""
_SPANISH = """
    Arq Av Avda Cap Cdte Cnel Ctra Cía Depto Dpto Dr Dra Dras Dres Dña Excma Excmo Gral Hna Hnas Hno Hnos Ilma Ilmo
    Ing Lic Licda Ltda Mons Núm Pbro Prof Profa Pza Rev Rvda Rvdo Sgto Sr Sra Sras Sres Srta Srtas Sta Sto Tel Tte
    Ud Uds Vd Vds
    admón aprox art atte avda cap cf cía cta ctra depto dpto ed ej fig gral izq izqda máx mín núm núms pág págs párr
    prov ref tel tfno trad vol vols vs
    ene feb febr abr jun jul ago sept oct nov dic
    AA CC DD EE FF HH JJ OO RR SS UU
"""
_ITALIAN = """
    Arch Avv Cav Comm Dott Dr Egr Gen Gent Geom Ing Mag Mons On Onn Prof Proff Rag Rev Sen Sig Sigg Spett Ss Ten Uff
    arch art artt avv ca cap capp cav cfr dott es fig figg gen geom ibid ing loc mons nn on op pag pagg prof rag sen
    seg segg sez sig sigg tav tel trad vol voll vs
    genn febbr apr giu lug ago sett ott nov dic
"""
_DUTCH = """
    Dhr Dr Drs Ds Fa Gebr Ing Ir Jhr Jr Kol Lt Maj Mej Mevr Mgr Mr Mrs Mw Nr Nrs Prof Sr St Str Tel
    afb afd alg art bijv bv ca cf dhr dr drs ds eig evt fig gem geb hfst ing ir jhr jl jr kath lic ll max mevr mln
    mr mrd mw nl nr nrs ong ongev pag plm prof resp st tel temp vgl vnl vs zgn
    jan febr feb mrt apr jun jul aug sep sept okt nov dec
"""
_PORTUGUESE = """
    Adv Alm Arq Av Cap Cel Cia Dep Dr Dra Dras Drs Eng Enga Exma Exmo Fr Gen Gov Ilma Ilmo Lda Ltda Maj Mons Pe Pres
    Prof Profa Profs Rev Rod Sen Sgt Sr Sra Sras Srs Srta Sta Sto Tel Ten Trav
    aprox art arts av cap cf cia ed ex fig fl núm obs op pp pág págs ref séc sécs tel vol vols vs
    jan fev abr mai jun jul ago set out nov dez
"""

ABBREVIATIONS: Mapping[str, frozenset[str]] = {
    language: frozenset([*words, *map(str.upper, words)])
    for language, words in {
        "en": _ENGLISH.split(),
        "de": [*_GERMAN.split(), *_GERMAN_ORDINALS],
        "fr": _FRENCH.split(),
        "es": _SPANISH.split(),
        "it": _ITALIAN.split(),
        "nl": _DUTCH.split(),
        "pt": _PORTUGUESE.split(),
        "other": [],
    }.items()
}
"""By language, named as in ISO 639-1."""
