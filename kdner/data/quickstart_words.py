"""The names, phrases and patterns that `kdner.data.quickstart` puts the default corpus together from.

A pattern is text with slots: ``{kind}`` is a name, phrase or number of that kind (``{KIND}``: in capitals),
``(a|b)`` is one of the alternatives. A slot whose kind is in `KIND_LABELS` is an entity, its parts and all.
"""

from __future__ import annotations

import random

LABEL_KINDS = {
    "PER": "person given surname byname",
    "ORG": "company firm stem club team city_team agency school bank party paper band",
    "LOC": "city country region water site landmark",
    "MISC": "nationality event product work storm award",
}
KIND_LABELS = {kind: label for label, kinds in LABEL_KINDS.items() for kind in kinds.split()}
"""The label of each kind of name; a kind that is not here is plain text."""

NAMES = {
    "given": """
        Aaliyah Abdul Aditi Agnes Ahmed Aiko Ama Amina Anders Andrea Anjali Antonio Arjun Astrid Ayumi
        Beatriz Benoit Bilal Bogdan Bruno Carlos Carmen Cecilia Chidi Chinwe Claire Daniela Darius Deepak
        Dmitri Dragan Dylan Edith Eduardo Ekaterina Elif Elena Emeka Emily Erik Esther Fatima Felipe Fiona
        Francesca Gabriela Gareth Giorgos Goran Grace Gustavo Hana Hassan Heidi Helga Henrik Hiroshi Ibrahim
        Ingrid Irina Isabel Ivan Jamal Jan Javier Jelena Jerome Joanna Joao Jorge Julia Jun Karim Katarina
        Kenji Kofi Kwame Lakshmi Lars Laszlo Leila Liam Ling Lucia Luis Magnus Malik Manuel Marco Margaret
        Maria Marta Mehmet Mei Miguel Mikhail Milan Mohammed Nadia Naomi Natalia Ngozi Niamh Nikolai Noor
        Olga Olivier Omar Oscar Pablo Patrick Pedro Petra Pierre Piotr Priya Rafael Rahul Raj Rebecca
        Ricardo Rosa Ruth Samira Samuel Sanjay Sara Sean Sergei Sofia Stefan Sunita Svetlana Takeshi Tariq
        Tendai Thabo Thomas Tomas Tove Ulrich Valentina Vikram Vladimir Walter Wei Wendy Xavier Yasmin Yuki
        Yusuf Zainab Zofia""",
    "surname": """
        Abbott Abe Achebe Adeyemi Aguilar Ahmadi Akhtar Albrecht Alvarez Andersson Arslan Asante Baker
        Balogun Banerjee Barbosa Bauer Becker Bergstrom Bianchi Boateng Bondarenko Borg Brennan Brown
        Campbell Cardoso Carter Castillo Chaudhry Chen Clarke Conti Cooper Costa Dahl Danso Das Delgado
        Demir Desai Diallo Dimitrov Dubois Duarte Eriksen Esposito Evans Farouk Fernandes Ferrari Fischer
        Fofanah Fonseca Fraser Fujita Gallagher Garcia Georgiou Ghosh Gomez Gonzalez Greene Gruber Gupta
        Haddad Hansen Harris Hashimoto Hernandez Hoffmann Horvat Hossain Hughes Hussain Ibarra Ikeda Iqbal
        Ivanov Jansen Jensen Johansson Johnson Joshi Kaplan Kapoor Karlsson Kato Kaya Keita Kelly Khan Kim
        Kimani Kobayashi Kovac Kowalski Kruger Kumar Larsen Laurent Lefebvre Lim Lindqvist Lopez Lund
        Machado Mancini Marin Martinez Mazur Mbeki McCarthy Mehta Mendes Mensah Meyer Mitchell Molina Moreau
        Moreno Morales Morita Mueller Murphy Mwangi Nagy Nair Nakamura Navarro Ndiaye Nguyen Nielsen Novak
        Nwosu O'Brien O'Connor Obi Okafor Okonkwo Olsen Onyango Ortega Osei Ozturk Papadopoulos Park Patel
        Pavlov Pereira Petrov Popescu Qureshi Rahman Ramirez Rao Reddy Ricci Rinaldi Robinson Romero Rossi
        Ruiz Sahin Saito Salazar Sanchez Sato Schmidt Schneider Schulz Sharma Shevchenko Silva Singh Smith
        Sokolov Souza Suzuki Svensson Takahashi Tan Taylor Tembo Thompson Torres Toure Traore Tremblay
        Turner Tutu Vargas Vasquez Vermeulen Virtanen Vogel Volkov Wagner Walsh Wang Weber Williams Wójcik
        Wong Wu Yamamoto Yeo Yildiz Zapata Zhang Ziegler""",
    "city": """
        Aarhus, Abidjan, Accra, Adelaide, Ankara, Antwerp, Asuncion, Athens, Auckland, Baku, Baltimore,
        Bangalore, Bangkok, Barcelona, Beirut, Belgrade, Bergen, Berlin, Bilbao, Bogota, Bordeaux, Boston,
        Bratislava, Brisbane, Brussels, Bucharest, Budapest, Buenos Aires, Busan, Cairo, Calgary, Cape Town,
        Caracas, Cardiff, Casablanca, Chennai, Chicago, Cologne, Copenhagen, Cork, Curitiba, Dakar,
        Damascus, Delhi, Dhaka, Doha, Dortmund, Dubai, Dublin, Durban, Edinburgh, Florence, Frankfurt,
        Gdansk, Geneva, Genoa, Glasgow, Gothenburg, Guadalajara, Hamburg, Hanoi, Harare, Havana, Helsinki,
        Hong Kong, Islamabad, Istanbul, Izmir, Jakarta, Johannesburg, Kampala, Karachi, Kathmandu, Kingston,
        Krakow, Kuala Lumpur, Kyoto, La Paz, Lagos, Lahore, Leeds, Leipzig, Lille, Lima, Lisbon, Liverpool,
        Ljubljana, Luanda, Lusaka, Lyon, Malaga, Manila, Marseille, Melbourne, Memphis, Mexico City, Miami,
        Minsk, Montevideo, Montreal, Mumbai, Munich, Nagoya, Nairobi, Naples, New York, Nice, Nicosia,
        Osaka, Oslo, Ottawa, Palermo, Perth, Porto, Prague, Pretoria, Pune, Quito, Recife, Reykjavik, Riga,
        Riyadh, Rome, Rosario, Rotterdam, Salzburg, San Jose, Sapporo, Sarajevo, Seattle, Seoul, Seville,
        Shanghai, Sheffield, Singapore, Skopje, Sofia, Stockholm, Strasbourg, Stuttgart, Surabaya, Taipei,
        Tallinn, Tashkent, Tbilisi, Tehran, Tirana, Tokyo, Toronto, Toulouse, Tripoli, Tunis, Turin,
        Utrecht, Valencia, Vancouver, Vienna, Vilnius, Warsaw, Wellington, Winnipeg, Wuhan, Yangon, Yerevan,
        Zagreb, Zurich""",
    "country": """
        Albania, Algeria, Angola, Argentina, Armenia, Australia, Austria, Azerbaijan, Bangladesh, Belgium,
        Bolivia, Botswana, Brazil, Bulgaria, Cambodia, Cameroon, Canada, Chile, China, Colombia, Costa Rica,
        Croatia, Cuba, Denmark, Ecuador, Egypt, Estonia, Ethiopia, Finland, France, Germany, Ghana, Greece,
        Guatemala, Honduras, Hungary, Iceland, India, Indonesia, Iran, Iraq, Ireland, Italy, Jamaica, Japan,
        Kazakhstan, Kenya, Kuwait, Laos, Latvia, Lebanon, Libya, Lithuania, Malaysia, Mexico, Moldova,
        Mongolia, Morocco, Mozambique, Namibia, Nepal, Netherlands, New Zealand, Nigeria, Norway, Pakistan,
        Panama, Paraguay, Peru, Philippines, Poland, Portugal, Qatar, Romania, Russia, Rwanda, Saudi Arabia,
        Senegal, Serbia, Slovakia, Slovenia, South Africa, South Korea, Spain, Sri Lanka, Sudan, Sweden,
        Switzerland, Syria, Taiwan, Tanzania, Thailand, Tunisia, Turkey, Uganda, Ukraine, Uruguay,
        Venezuela, Vietnam, Yemen, Zambia, Zimbabwe, United States, Britain""",
    "nationality": """
        Albanian, Algerian, American, Angolan, Argentine, Armenian, Australian, Austrian, Bangladeshi,
        Belgian, Bolivian, Brazilian, British, Bulgarian, Cambodian, Cameroonian, Canadian, Chilean,
        Chinese, Colombian, Croatian, Cuban, Czech, Danish, Dutch, Ecuadorian, Egyptian, Estonian,
        Ethiopian, Finnish, French, German, Ghanaian, Greek, Hungarian, Icelandic, Indian, Indonesian,
        Iranian, Iraqi, Irish, Italian, Jamaican, Japanese, Kazakh, Kenyan, Korean, Kurdish, Latvian,
        Lebanese, Lithuanian, Malaysian, Mexican, Mongolian, Moroccan, Nepali, Nigerian, Norwegian,
        Pakistani, Peruvian, Polish, Portuguese, Romanian, Russian, Saudi, Scottish, Senegalese, Serbian,
        Slovak, Slovenian, Spanish, Swedish, Swiss, Syrian, Taiwanese, Tamil, Thai, Tunisian, Turkish,
        Ugandan, Ukrainian, Vietnamese, Welsh, Yoruba, Zambian, Zulu""",
    "region": """
        Africa, Alaska, Alberta, Andalusia, Anatolia, Arizona, Asia, Bavaria, Bengal, Brittany, California,
        Catalonia, Central America, Cornwall, Crimea, Dalmatia, Flanders, Galicia, Gujarat, Hokkaido,
        Kashmir, Kerala, Lapland, Louisiana, Manitoba, Mindanao, Nebraska, Normandy, Okinawa, Oregon,
        Patagonia, Provence, Punjab, Quebec, Queensland, Saxony, Scandinavia, Siberia, Sicily, Silesia,
        Sumatra, Tasmania, Tibet, Transylvania, Tuscany, Tyrol, Ulster, Vermont, Wyoming, Yorkshire""",
    "stem": """
        Aldermoor, Altavia, Ambrex, Arcwell, Astoria, Avelon, Bexley, Birchfield, Blue Heron, Brightwater,
        Calidon, Cascade, Celtrix, Cobalt Ridge, Corvane, Dalmore, Deltanet, Dunmore, Eastgate, Elmstead,
        Equinor Bay, Fairhaven, Falkirk, Ferrolux, Finmark, Garnet Hill, Gildan, Granville, Halcyon, Harbour
        Point, Helixon, Hindcraft, Indus, Ironbridge, Jadestone, Juniper, Kestrel, Kirin Soft, Kronos,
        Lantern, Larkspur, Lodestar, Lumenor, Marlowe, Meridian, Mitsuko, Monarch, Nordhavn, Norvane,
        Novatek, Oakline, Obsidian, Orient Star, Orinoco, Pacific Crest, Pelican, Pinnacle, Polaris,
        Quantrell, Quarry Lane, Quill, Ravenscroft, Redwood, Rheinwerk, Sabre, Sagamore, Sakura, Saltmarsh,
        Sentinel, Silverline, Solaris, Stanmore, Sterling, Summit, Takara, Tallgrass, Tandem, Telvia,
        Thornbury, Tiger Leaf, Transvaal, Trident, Umbra, Unidata, Valmont, Vantage, Veridian, Vistula,
        Westbrook, Whitestone, Windermere, Xenith, Yarrow, Zambezi, Zenon, Zephyr""",
    "club": """
        Ajax, Albion, Al Ahly, Anderlecht, Arsenal, Atletico, Benfica, Besiktas, Boca Juniors, Borussia,
        Brumbies, Bulldogs, Canucks, Celtic, Corinthians, Crusaders, Dynamo, Esperance, Everton, Fenerbahce,
        Ferencvaros, Feyenoord, Flamengo, Galatasaray, Gremio, Hajduk, Hammarby, Hearts, Inter, Juventus,
        Kaizer Chiefs, Legia, Lions, Lokomotiv, Mariners, Millonarios, Olympiakos, Orioles, Orlando Pirates,
        Palmeiras, Panathinaikos, Partizan, Penarol, Pumas, Rangers, Rapid, Red Star, River Plate,
        Rosenborg, Sampdoria, Shakhtar, Slavia, Sparta, Spartak, Sporting, Standard, Steaua, Stallions,
        Urawa Reds, Wanderers, Wasps, Zalgiris, Zamalek""",
    "agency": """
        African Union, Amnesty International, ASEAN, Bundestag, CERN, Congress, Doctors Without Borders,
        ECOWAS, European Commission, European Parliament, Eurostat, FIFA, Federal Reserve, Greenpeace, House
        of Commons, IMF, Interpol, Kremlin, Mercosur, NASA, NATO, OECD, OPEC, Oxfam, Pentagon, Red Crescent,
        Red Cross, Save the Children, Senate, Supreme Court, UEFA, UNESCO, UNICEF, United Nations, Vatican,
        White House, WHO, World Bank, World Trade Organization, World Health Organization""",
    "water": """
        Adriatic, Amur, Baltic, Bay of Biscay, Black Sea, Bosphorus, Caspian Sea, Congo River, Danube,
        English Channel, Euphrates, Ganges, Gulf of Aden, Gulf of Guinea, Indian Ocean, Indus Delta, Irish
        Sea, Lake Chad, Lake Geneva, Lake Titicaca, Lake Victoria, Mekong, Mediterranean, Niger Delta, Nile,
        North Sea, Orinoco Basin, Pacific, Red Sea, Rhine, Rio Grande, South China Sea, Strait of Hormuz,
        Suez Canal, Thames, Tigris, Volga, Yangtze""",
    "landmark": """
        Andes, Appalachians, Atacama, Ayers Rock, Cape Horn, Carpathians, Caucasus, Devil's Island, Eiger,
        Everest, Fifth Avenue, Gobi, Hindu Kush, Kilimanjaro, Mont Blanc, Mount Etna, Mount Fuji, Mount
        Kenya, Pamirs, Pyrenees, Red Square, Robben Island, Rocky Mountains, Sahara, Serengeti, Sinai, Table
        Mountain, Tahrir Square, Times Square, Wall Street""",
    "model": """
        Aero, Aquila, Boxer, Caracal, Civetta, Comet, Corsair, Dolphin, Eclipse, Falcon, Firefly, Galaxy,
        Gazelle, Harrier, Hurricane, Impulse, Javelin, Kite, Lynx, Mirage, Nimbus, Nova, Osprey, Panther,
        Puma, Raptor, Spectra, Stingray, Swift, Tempest, Tornado, Typhoon, Velo, Viper, Voyager, Zoom""",
    "title": """
        A Winter in Smoke, Bitter Oranges, Blue Lantern, Broken Compass, Children of the Salt, Dust and
        Honey, Empty Rooms, Farewell to the Harbour, Glass Mountain, House of Wolves, Letters to Nobody,
        Midnight Ferry, Nine Bridges, No Country Road, Ordinary Saints, Paper Birds, Requiem for a River,
        Seven Lamps, Silent Orchard, Slow Trains, Tales of the Delta, The Beekeeper, The Cartographer, The
        Last Tram, The Long Monsoon, The Quiet Border, The Widow's Garden, Thirty Days of Rain, Under the
        Tin Roof, Waiting for Snow""",
    "ideology": """
        Agrarian, Centre, Christian Democratic, Conservative, Civic, Democratic, Freedom, Green, Homeland,
        Justice, Labour, Liberal, National, New Dawn, Peasants', People's, Popular, Progress, Radical,
        Reform, Republican, Social Democratic, Socialist, Unity, Workers'""",
}
"""Names by kind, from around the world. Separated by commas where there are any, else by blanks."""

SHARED_NAMES = {
    "given surname": "Romano Wesley",
    "given surname city": "Chester Everett Hamilton Jackson Madison Nelson Paris Vernon",
    "given surname city club": "Dallas Leon Preston Santiago",
    "given surname city club stem": "Lincoln",
    "given surname city stem": "Austin Stanley",
    "given surname stem": "Kingsley Morgan Tyson",
    "given surname stem country": "Jordan",
    "given surname country": "Israel",
    "given surname region": "Montana",
    "given city": "Brooklyn Diego Lourdes Salem Savannah Sofia",
    "given city club": "Atlanta Charlotte Chelsea Denver Milan Orlando Siena Sydney Verona",
    "given city club stem": "Phoenix",
    "given city club region": "Victoria",
    "given city stem": "Aurora",
    "given club region": "Indiana",
    "given stem": "Mercedes Tiffany",
    "given stem region": "Sierra",
    "given country": "Chad India Persia",
    "given country region": "Georgia",
    "given region": "Carolina Lorraine Virginia",
    "surname city": "Darwin Newton",
    "surname city club": (
        "Bolton Cordoba Cruz Durham Houston Kingston Lancaster London Marino Modena Palermo Parma "
        "Santos Toledo Valencia York Zamora"
    ),
    "surname city club stem": "Oxford",
    "surname city club region": "Washington",
    "surname city stem": "Carson Hartford Raleigh Wells Windsor",
    "surname club": "Abidal",
    "surname club country": "Monaco",
    "surname club region": "Kent",
    "surname stem": "Barclay Burton Ford Shell",
    "surname country": "Holland Mali Malta",
    "city club": "Newcastle",
    "club country": "America",
    "club region": "Florida Lazio",
    "stem region water": "Amazon",
}
"""Names of more than one kind, by the kinds that each may take."""

PHRASES = {
    # Names that are put together: the parts keep their tier, the whole has one label.
    "person": (
        "{given} {surname}|{given} {surname}|{given} {surname}|{given} {surname}|{given} {surname}|"
        "{given} {initial}. {surname}|{given} {surname}-{surname}|{given} al-{surname}|"
        "{given} de {surname}"
    ),
    "byname": '{given} "{nickname}" {surname}|{nickname} {surname}|{given}-{given} {surname}',
    "company": (
        "{stem}|{stem}|{stem} {trade}|{stem} {trade}|{stem} {suffix}|{surname} & Sons|{surname} {suffix}|"
        "{surname} {trade}|{surname} and {surname}|{city} {trade}|{surname} Brothers"
    ),
    "firm": "{surname} {suffix}|{surname} & Sons|{surname} and {surname}",
    "team": "{club}|{club}|{city} {squad}|{city} {club}|{city_team}|{city_team}|{squad_start} {city}",
    "city_team": "{city}",
    "bank": (
        "Bank of {city}|Bank of {country}|{surname} Bank|{stem} Capital|{city} Savings Bank|{nationality} Central Bank"
    ),
    "school": (
        "University of {city}|{city} University|{surname} College|{surname} Institute|"
        "{city} Institute of Technology|{region} State University|{surname} Memorial Hospital"
    ),
    "party": (
        "{ideology} Party|{ideology} Party|{country} First|{ideology} Alliance|{ideology} Front|"
        "{nationality} {ideology} Party"
    ),
    "paper": (
        "{city} Gazette|{city} Herald|Daily {stem}|{nationality} Times|{city} Tribune|The {city} Post|"
        "Radio {city}|{stem} TV"
    ),
    "band": (
        "The {model}s|{city} Philharmonic|{surname} Quartet|{city} Symphony Orchestra|"
        "The {surname} Sisters|{city} Ballet"
    ),
    "site": (
        "{city} Airport|{surname} Park|{surname} Street|{landmark}|{landmark}|{landmark}|{surname} Bridge|"
        "Port {surname}|{surname} Stadium|{city} Cathedral|Lake {surname}|{given} Island|{surname} Square|"
        "Mount {surname}|North {city}|St. {given}"
    ),
    "event": (
        "{city} Marathon|{nationality} Open|{nationality} Grand Prix|{stem} Cup|{region} Cup|"
        "{year} {city} Games|{city} Film Festival|Tour of {country}|{city} Book Fair|{surname} Trophy|"
        "World Cup|Olympics|{city} Summit|{country} Accords"
    ),
    "product": "{stem} {model}|{model} {tens}|{model}|{stem} {model} {tens}|{surname} {model}",
    "work": ("{title}|{title}|{title}|Goodbye, {city}|The {city} Diaries|My Name Is {given}|Letters from {region}"),
    "storm": "{given}",
    "award": "{surname} Prize|{surname} Medal|Golden {model}|{city} Prize|Nobel Peace Prize|{stem} Award",
    # Plain text.
    "initial": "A|B|C|D|E|F|H|J|K|L|M|P|R|S|T|W",
    "nickname": "Ace|Bear|Duke|Flash|Hawk|Lefty|Rocket|Sugar|Tank|Tiny|Wolf|Doc|Buddy|Sonny|Chico|Red",
    "suffix": "Corp|Group|Holdings|Inc|International|Ltd|SA|AG|PLC|and Co",
    "trade": (
        "Airlines|Airways|Bank|Brewing|Cement|Chemicals|Electric|Energy|Foods|Insurance|Media|Mining|"
        "Motors|Oil|Pharma|Railways|Shipping|Software|Steel|Telecom|Textiles"
    ),
    "squad": "United|City|Rovers|Athletic|Bears|Giants|Hawks|Town|Rockets|Tigers|Knights|Warriors",
    "squad_start": "Real|FC|Dynamo|Racing|Sporting|Deportivo",
    "day": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday",
    "month": "January|February|March|April|May|June|July|August|September|October|November|December",
    "date": "{month} {daynumber}|{daynumber} {month}",
    "goals": "0|0|1|1|1|2|2|3|4",
    "score": "{goals}-{goals}",
    "win": "1-0|2-1|2-0|3-0|3-1|3-2|4-2|5-1",
    "sets": "6-{goals} 6-{goals}|6-{goals} 3-6 6-{goals}|7-5 6-{goals}|7-6 6-4|4-6 6-3 7-5",
    "money": (
        "${tens} million|${tens}.{goals} mln|{tens} million euros|{small} billion yen|"
        "${small}.{goals} billion|{tens},000 pounds"
    ),
    "percent": "{small} percent|{small}.{goals} percent|{tens}%|{small}.{goals} pct",
    "crowd": "{tens},000|{small}00|several hundred|a few dozen|about {tens}",
    "goods": (
        "coffee|copper|crude oil|wheat|cocoa|natural gas|cotton|sugar|rubber|steel|soybeans|gold|fertiliser|rice"
    ),
    "office": (
        "Prime Minister|President|Foreign Minister|Finance Minister|Governor|Senator|Mayor|"
        "Interior Minister|Chancellor|Attorney General"
    ),
    "job": (
        "chief executive|chairman|spokeswoman|coach|captain|finance director|CEO|head of research|"
        "deputy mayor|midfielder|goalkeeper|ambassador"
    ),
    "role": (
        "novelist|cellist|painter|surgeon|engineer|farmer|cyclist|boxer|teacher|lawyer|fisherman|sprinter|"
        "biologist|nurse|architect"
    ),
    "subject": (
        "malaria|glaciers|black holes|soil bacteria|machine translation|ocean currents|infant sleep|"
        "bird migration|lithium batteries|ancient pottery"
    ),
    "crime": "fraud|tax evasion|smuggling|bribery|forgery|arson|insider trading|perjury|illegal logging",
    "trouble": (
        "heavy snow|flash floods|a strike|a power cut|thick fog|a landslide|an earthquake|high winds|"
        "a computer failure|wildfires"
    ),
    "ordinal": "second|third|fourth|fifth|sixth|seventh",
    "sport": "tennis|rugby|cricket|basketball|athletics|judo|swimming|ice hockey|handball|chess",
    "source": (
        "officials said|police said|a source said|according to the ministry|"
        "sources close to the talks said|state TV reported|witnesses said"
    ),
}
"""Phrases by kind: alternatives, which may hold slots of names, phrases and numbers."""

NUMBERS = {
    "digit": (1, 9),
    "small": (2, 12),
    "tens": (12, 98),
    "degrees": (3, 39),
    "daynumber": (1, 28),
    "twodigit": (10, 28),
    "year": (1950, 2024),
}
"""Numbers by kind: first and last."""

PATTERNS = """
    {person} scored (twice|a hat-trick|the winner|from a free kick) as {team} beat {team} {win} (on {day}|in the cup|away from home).
    {team} {goals} {team} {goals}
    {city_team} {goals} {city_team} {goals}, {city_team} {goals} {city_team} {goals}
    {country} {goals} {country} {goals}
    {city} {degrees} {city} {degrees} {city} {degrees} {city} {degrees}
    {person} ({country}) beat {person} ({country}) {sets}
    {surname} beat {surname} {sets} (to reach the last eight|in the second round|on clay).
    {city_team} (crushed|edged|upset) {city_team} {win} (despite playing with ten men|before {crowd} fans|after extra time).
    (Striker|Defender|Goalkeeper|Winger) {person} has (signed for|left|rejoined) {team} (on loan|for {money}|after a medical).
    {team} coach {person} (praised|dropped|defended) {surname} after the {score} (game|friendly) (at {city_team}|against {country}|in {city}).
    1 {person} ({country}) {small} hours {tens} minutes, 2 {person} ({country}) {tens} seconds behind
    Long jump: {surname}, {country}, {small}.{tens}; {surname}, {country}, {small}.{tens}
    {surname} (won|lost) the toss and (chose to bat|put {country} in) at {site}.
    The {event} (was postponed|opens on {day}|will go ahead) (because of {trouble}|despite the protests|without the defending champion).
    {nationality} {role} {person} won the {event} (in {city}|for the {ordinal} time|by {small} seconds).
    "We (played badly|were lucky|deserved more)," said {surname}, whose side (travels|go) to {city} (next|on {day}).
    {team} and {team} (swapped|traded) {surname} for {surname} (on {day}|in a three-way deal).
    {city_team} (fans|supporters) (booed|cheered) as {surname} (limped off|was sent off|came on) in minute {tens}.
    {city} will (host|bid for) the {event}, (beating|ahead of) {city} and {city}.
    {byname}, the former {sport} champion from {region}, (retired|turned {tens}) (on {day}|last week).
    (Rain stopped play|Bad light ended play early|Play was abandoned) on the {ordinal} day.
    Standings after {small} rounds: {team} {tens}, {team} {tens}, {team} {small}.

    Shares in {company} (rose|fell|jumped|slid) {percent} (after|when) it (cut its forecast|named {person} as {job}|posted a loss).
    {company} said it would (buy|sell|merge with) {company} for {money}.
    {stem} (cut|added) {tens},000 jobs (in {country}|at its {city} plant|across {region}) (last year|in {month}).
    {surname} said profit (rose|fell) {percent} in the quarter as demand for the {product} (grew|weakened).
    {surname} said he would (appeal|resign|not stand again), but (gave no reason|thanked his staff|refused to take questions).
    {stem} said on {day} that it had (hired|dismissed) {surname} as {job}.
    {goods} prices (climbed|dipped|steadied) (in {city}|in early trade) on (fears of|talk of) {trouble} in {country}.
    {bank} (raised|left|cut) its main rate (by a quarter point|at {percent}), (saying inflation was sticky|surprising traders).
    The {nationality} currency (weakened|firmed) against the dollar (on {day}|after {bank} sold reserves).
    Analysts at {bank} (expect|doubt|predict) that GDP will (grow|shrink) by {percent} in {year}.
    {company}, based in {city}, (makes|exports|ships) {goods} to {country} and {country}.
    {person}, {job} of {company}, (declined to comment|sold {crowd} shares|will step down in {month}).
    {company} recalled {crowd} {product} (cars|phones|scooters) (over faulty brakes|after reports of fires).
    (Crude|Copper|Wheat|Coffee) futures (closed lower|were little changed|touched a two-year high) in thin trade.
    The new {product} (goes on sale|was shown|will be built) in {city} (next month|on {day}|in {month}).
    {company}'s rival {company} (is in talks with|owes {money} to|hired a banker from) {bank}.
    {stem} (vs|against) {stem}: who pays for the {product} recall?
    {firm} lost an order (worth|of) {money} to {firm}.
    (Quarterly|Net|Pretax) profit {money} vs {money}; revenue up {percent}.
    The CEO told the AGM that (costs were falling|the PC market had turned|no bid had been made).
    Oil workers ended a (strike|walkout) at {company} in {site} (after|when) {agency} stepped in.

    {office} {person} (met|telephoned|will visit) {office} {surname} (in {city}|on {day}|to discuss {goods}).
    {city} (accused {city} of blocking the talks|urged {city} to respect the border|warned {city} over the {water}).
    {country} and {country} (signed|rejected|ratified) (a treaty|the {event}) (on the {water}|in {city}).
    The {party} (won|lost) {tens} seats in {region}, (the election board said|its worst result since {year}).
    {person} of the {party} (will run|said she would stand|was sworn in) as {office} of {region}.
    {surname} (told|wrote to) the {agency} that {country} (needed more time|would pay its share|had met the terms).
    {agency} (called on|asked|pressed) {country} to (open|close) the border with {country}.
    A {nationality} delegation led by {person} (arrived in|left) {city} (on {day}|for talks at the {agency}).
    (Thousands|Hundreds|Dozens) of {nationality} (students|farmers|pensioners) (marched|rallied) in {city} against {surname}.
    The {nationality} parliament (approved|delayed|threw out) the budget by {tens} votes to {small}.
    {agency} (observers|inspectors) (were refused entry to|reached) {site} (on {day}|after {small} days).
    Voters in {region} go to the polls on {day}, with {surname} ahead of {surname}.
    (Prime Minister|President|PM) {surname} (denied|confirmed) that {agency} had (frozen|released) {money}.
    (The prime minister|The foreign ministry|A government spokesman) (had no comment|said talks would resume on {day}).
    {given}, the (king's|emperor's|president's) (daughter|son), (opened|toured) the {school} (on {day}|in {month}).
    Queen {given} and King {given} (arrived|dined) at {site} (on {day}|with {office} {surname}).
    "{country} is not for sale," {surname} (said|told {paper}) (on {day}|during a rally in {city}).
    {person} (Party: {party}) {tens}.{small} pct; {person} {tens}.{small} pct
    {city} (says|hopes) {city} will (return|hand over) the {person} (papers|diaries).
    (No date has been set|Ballots will be counted by hand|Turnout was the lowest on record), {source}.

    A court in {city} (jailed|cleared|fined) {person}, {tens}, (of|for|over) {crime}.
    {person} v. {company} (opens|resumes) in {city} (on {day}|before Judge {surname}).
    Judge {surname} (ordered|told) {company} to pay {surname} {money}.
    Police in {city} (arrested|questioned) a {nationality} (national|man|student) near {site}.
    Lawyers for {surname} (said|argued) the {agency} had (ignored evidence|no case) against (him|her|the company).
    {surname}, who denies {crime}, was (flown|extradited) from {country} to {country}.
    The {agency} (upheld|overturned) a ruling that {company} had (copied|polluted) {site}.
    {tens}-year-old {given} {surname} was last seen at {site} (on {day}|wearing a red coat).
    Detectives (found|seized) {crowd} (forged passports|stolen paintings|boxes of {goods}) in a lorry.
    A witness, named only as {given}, (told the court|said) that {surname} (had left early|never came home).
    (The jury|The judge|The prosecutor) (will return on {day}|asked for more time|rose at noon).

    {trouble} (closed|shut) {site} and (delayed|cut) trains between {city} and {city}.
    Storm {storm} (hit|reached|brushed) {region} (on {day}|overnight), {source}.
    Hurricane {storm} (killed|left homeless) {crowd} people in {country} and (headed|moved) towards the {water}.
    A ferry with {crowd} (passengers|pilgrims) (sank|ran aground) in the {water} off {city}.
    {city} to {city} flights were (cancelled|diverted to {city}) because of {trouble}.
    An earthquake of magnitude {small}.{goals} (struck|shook) {region}, {tens} km (north|south|west) of {city}.
    {city}: {degrees} C, (rain|sun|cloud); {city}: {degrees} C, (fog|sleet|showers).
    {company} flight {tens} from {city} (skidded|landed safely) at {site} (in {trouble}|on {day}).
    Water levels on the {water} (fell|rose) by {small} metres near {city} (in {month}|after the thaw).
    (Sunny spells|Scattered showers|Strong winds) are (forecast|likely) until {day}, with highs of {degrees}.
    Roads were closed and (schools shut|shops boarded up) (as the river rose|after {trouble}).

    (Researchers|Scientists|A team) at the {school} (found|report) that {subject} (may|can) (spread|change) faster than thought.
    {person} of {school} (shared|won) the {award} for work on {subject}.
    The {product} probe, built by {company}, (lost contact|entered orbit) on {date}, {agency} said.
    Professor {surname} and Dr. {surname} (disagree|published a paper) on {subject} in {region}.
    {agency} (reported|confirmed) {crowd} cases of (measles|cholera|flu) in {country} and {region}.
    (Doctors|Nurses) at {school} (treated|vaccinated) {crowd} {nationality} refugees.
    Fossils from {site} (show|suggest) that early humans (left|reached) {region} sooner, says {surname}.
    The vaccine (needs two doses|was well tolerated|must be kept cold), the study of {crowd} adults found.
    {person}, who mapped the {landmark}, (died|was born) in {city} in {year}.
    DNA tests (took|needed) {small} weeks, and the IT system (failed|crashed) on {day}.

    {person}'s new (novel|film|album), "{work}", (opens|is set) in {city} in {year}.
    "{work}" by {person} (won|was shortlisted for) the {award}.
    {given} {surname} plays a {nationality} {role} in {work}, (out on {day}|filmed in {country}).
    {band} (cancelled|sold out) (a concert|{small} shows) in {city} (because of {trouble}|after {surname} fell ill).
    The {nationality} version of {work} (runs|lasts) {small} hours, with {nationality} subtitles.
    {paper} critic {person} called {work} (a bore|a masterpiece|the best since {work}).
    {surname} (sang|read) in {nationality} and {nationality} at the {event} (on {day}|before {crowd} guests).
    {person}, {role}, {tens}; {person}, {role}, {tens}; {person}, {role}, {tens}
    The {event} and the {event} clash on {day}, and {person} (must choose|chose the first|skipped both).
    {nationality} and {nationality} (films|players|wines) (dominated|were missing from) the {event} (in {year}|again).
    The {award} went to {work}, a {nationality} (comedy|memoir|thriller) about a {role} (from {city}|and his dog).
    {work} (lost|beat|outsold) {work} (at the box office|in the first week), but the {award} (eluded|went to) {surname}.
    (Subtitles|Menus|Road signs) come in {nationality}, {nationality} and (braille|{nationality}).
    {storm} (weakened|veered north), but {storm}, the next storm of the season, (worries|threatens) {city}.
    The {product} (is lighter than|outsells|costs less than) the {product} (in {country}|by far|for now).
    (Pilots|Drivers|Owners) of the {product} (complain|told {paper}) that the {product} (stalls|rattles) in the cold.
    {surname} (read|hated|translated) "{work}" (in {nationality}|as a boy), not "{work}".
    {nationality} {job} {surname} (rode|drove|bought) a {product} (to {site}|from {stem}|at the {event}).
    The {nationality} (side|crew|delegation) (boycotted|walked out of) the {event}; the {nationality} (did not|stayed).
    Whether it is {nationality} or {nationality} (hardly|no longer) matters at the {event}.
    The museum in {site} (bought|lost) a {surname} (bronze|sketch) for {money}.
    (Her mother|His grandfather) {given} (left|fled) {city} for {city} in {year} and (never spoke {nationality}|opened a bakery).
    {person} was married to {given} for {tens} years; they had a son, {given}.
    (Tickets|Programmes) cost {small} pounds and (children go free|there is no bar).

    {CITY} {year}-0{digit}-{twodigit}
    {CITY}, {month} {daynumber}
    {CITY}, {month} {daynumber} ({paper}) - {office} {surname} (resigned|was taken ill) on {day}.
    By {person}, {paper}
    By {person} and {person} in {city}
    (Reporting|Editing|Writing) by {person}; (additional reporting|photographs) by {person} in {city}
    (UPDATE|FEATURE|FOCUS) - {company} (sees|warns on) {month} sales
    {paper}: {office} {surname} under fire over {company} deal
    {country} (wins|loses) {agency} vote
    {surname} out, {surname} in at {team}
    {city_team} sink {city_team} in (thriller|mud|extra time)
    {stem} to quit {city}( - source| by {year}|)
    {site} reopens after {trouble}
    Asked who (runs|owns) {stem}, (she|he|a clerk) named {person} and {bank}.
    Who (runs|owns|needs) {stem}?
    {surname}: (None at all|Not really|Well), because {city} was cold and I (miss|love) {country}.
    "(When I joined|Before) {stem}, (nobody had heard of|we all feared) {surname}," (he|she) told {paper}.
    "(Ask|Call|Don't wake) {given}," {given} (whispered|said), "(she|he) knows {city} better."
    (Like many|Unlike most) {nationality} (fans|shoppers), {given} (swears by|collects) the {product}.
    (As in|Not since) {city} in {year} have {country} and {country} (agreed|argued) so much.
    Present were {person} ({agency}), {person} ({company}) and {person} ({school}).
    {surname}, {surname} and {surname} (voted no|abstained|left early); {surname} (stayed|voted yes).
    {company}, {company} and the {agency} (paid for|opposed) the bridge over the {water}.
    (What|How) did {surname} (know|earn) (in {city}|at {company})?
    (In|From) {city} we took the night train to {city}, (past|through) {region} and {site}.
    (In|During) {month} {surname} (moved|wrote) from {school} to {stem}.
    May and June (were|looked) quiet( for {stem}| in {city}|), but August (made up for it|broke records).
    Sources in {city} (close to|inside) {city_team} say {surname} (stays|goes).
    {region} (farmers|miners) (blame|thank) {city} for the {event}.
    The {tens}-year-old {role} (sleeps|works) {small} hours a day and (hates|loves) TV.
    Editor: {person}, tel: {tens} {tens} {tens}
    (However|Still|Then again), (few believe it|nobody was hurt|the price was right), and (the FAQ|the VAT bill) (proves it|says so).
    (Buyers|Sellers|Dealers) (kept to the sidelines|were few) before the {month} CPI (figures|data).
"""  # noqa: E501
"""One sentence a line."""


def single_names() -> dict[str, list[str]]:
    """Return the names of each kind in `NAMES`."""
    return {
        kind: [" ".join(name.split()) for name in (names.split(",") if "," in names else names.split())]
        for kind, names in NAMES.items()
    }


def shared_names() -> dict[str, list[str]]:
    """Return for each kind the names in `SHARED_NAMES` that may take it."""
    by_kind: dict[str, list[str]] = {}
    for kinds, names in SHARED_NAMES.items():
        for kind in kinds.split():
            by_kind.setdefault(kind, []).extend(names.split())
    return by_kind


def deal_tiers(rng: random.Random) -> dict[str, int]:
    """Give every name, whatever its kinds, one tier; of each list 40 % get 0, 30 % get 1 and 30 % get 2."""
    tiers: dict[str, int] = {}
    shared = [name for names in SHARED_NAMES.values() for name in names.split()]
    for names in [shared, *single_names().values()]:
        new = [name for name in dict.fromkeys(names) if name not in tiers]
        rng.shuffle(new)
        tiers |= {name: (0, 1, 2, 0, 1, 2, 0, 1, 2, 0)[i % 10] for i, name in enumerate(new)}
    return tiers
