"""Words the rules know: professions, kin, occasions, and what is no name or place."""

from __future__ import annotations

PROFESSIONS = frozenset(
    """
    accountant actor actress analyst anthropologist archaeologist architect artist astronomer
    attorney auditor author baker banker barber barista bartender biologist blogger bookkeeper
    botanist brewer broker builder carpenter cashier chef chemist cinematographer clerk coach
    coder composer consultant contractor cook copywriter counselor counsellor curator dancer
    dentist designer developer dietitian diplomat director doctor driver ecologist economist
    editor electrician engineer entrepreneur farmer filmmaker firefighter fisherman florist
    founder freelancer gardener geologist goldsmith hairdresser historian illustrator instructor
    intern interpreter inventor investigator janitor jeweller jeweler journalist judge lawyer
    lecturer librarian linguist locksmith machinist magician manager marketer mathematician
    mechanic meteorologist midwife miner minister model mover musician neuroscientist novelist
    nurse nutritionist optician optometrist painter paralegal paramedic pediatrician pharmacist
    philosopher photographer physician physicist physiotherapist pianist pilot plumber podcaster
    poet politician postdoc potter principal producer professor programmer psychiatrist
    psychologist publisher radiologist ranger realtor receptionist recruiter reporter researcher
    sailor salesman salesperson saleswoman scientist scriptwriter screenwriter sculptor secretary
    singer sociologist soldier songwriter statistician stylist student superintendent surgeon
    surveyor tailor teacher technician technologist therapist trader trainee trainer translator
    tutor vet veterinarian videographer violinist waiter waitress weaver welder writer zoologist
    """.split()
)
KIN = frozenset(
    """
    wife husband partner girlfriend boyfriend fiance fiancee son sons daughter daughters kid kids
    child children brother brothers sister sisters mother father mom mum dad twin twins grandson
    granddaughter grandmother grandfather grandma grandpa nephew nephews niece nieces cousin
    cousins aunt uncle stepson stepdaughter roommate
    """.split()
)
#: Of whom one speaks as "my", and what somebody who does so has.
CLOSE_KIN = {
    "wife": "a wife",
    "husband": "a husband",
    "girlfriend": "a girlfriend",
    "boyfriend": "a boyfriend",
    "fiance": "a fiance",
    "fiancee": "a fiancee",
    "kids": "kids",
    "children": "children",
    "son": "a son",
    "daughter": "a daughter",
    "sons": "sons",
    "daughters": "daughters",
}
PETS = frozenset(
    """
    dog dogs pup pups kitty cat cats puppy puppies kitten kittens parrot hamster rabbit rabbits
    retriever labrador poodle bulldog beagle corgi dachshund husky terrier chihuahua collie spaniel
    horse horses goldfish turtle snake lizard parakeet
    """.split()
)
OCCASIONS = frozenset(
    """
    anniversary appointment birthday ceremony conference deadline defense defence exam
    examination flight graduation interview launch marathon meeting move party presentation
    recital surgery test trip vacation visit wedding workshop
    """.split()
)
DIETS = (
    r"vegetarian|vegan|pescatarian|pescetarian|lactose intolerant|gluten intolerant|kosher|halal"
)
#: Verbs an order to an assistant begins with.
ORDERS = frozenset(
    """
    add address answer ask assume avoid be begin book call change check choose cite commit compare
    confirm convert create delete deploy display do double-check draft end ensure explain follow
    format generate give greet include install keep limit link list make mention modify number
    offer open order output prefer prefix print propose provide push put quote read recommend
    refer remind remove reply respond return round run save say schedule send share show sign
    skip speak spell start stick suggest summarise summarize talk tell test translate treat
    update use validate verify wait wrap write
    """.split()
)
NO_NAMES = frozenset(
    """
    a an and android asian african american australian austrian belgian brazilian british
    buddhist canadian catholic chinese christian danish dutch egyptian english european finnish
    french german greek hindu hungarian indian iranian iraqi irish israeli italian japanese
    jewish kenyan korean latino latina mexican muslim nigerian norwegian not pakistani polish
    portuguese romanian russian scottish so sorry spanish swedish swiss thai the turkish
    ukrainian vietnamese welsh back doing going happy here glad just still very really also too
    all always excited in on at from looking sure trying using working i if lol ok okay when
    thanks it that this what how asap btw monday tuesday wednesday thursday friday saturday sunday
    today tonight tomorrow later maybe team lactose gluten dairy intolerant allergic vegan
    vegetarian pescatarian kosher halal feeling super new ready done tired busy sick late single
    married free available interested proud old crazy big small fan about after before anytime never
    up out off away over often names customer support human
    resources tech technical
    """.split()
)
NO_PLACES = frozenset(
    """
    a an the my our your his her their this that these those fear peace hope harmony constant
    one two three here there it where which what and or to with mind between different minecraft
    roblox fortnite skyrim excel slack vim emacs vscode vs terminal github discord sweatpants jeans
    love trouble debt shock mars venus
    jupiter saturn atlantis hell heaven narnia hogwarts
    """.split()
)
#: What one moves to, or is from, that is no place.
THINGS = frozenset(
    """
    accounting android angular ansible arch aws azure bitbucket brave chapter chrome claude cursor
    customer debian docker engineering fedora figma finance firefox gcp gemini gitlab gmail go
    golang helix hr hulu iphone it java javascript jira kafka kotlin kubernetes legal level linux
    mac macos marketing microservices mongodb mysql neovim next next.js nix nixos node node.js
    notion obsidian openai outlook phase plan postgres postgresql premiere proton python rails
    react redis rust safari sales series spark sqlite stage step sublime support svelte swift team
    terraform tidal tier trello typescript ubuntu version vue wayland windows wordpress zed zsh
    """.split()
)
#: What one joins without working there.
SITES = frozenset(
    """
    bluesky bumble discord duolingo facebook github hinge instagram linkedin mastodon meetup netflix
    pinterest quora reddit signal skype slack snapchat spotify steam strava teams telegram threads
    tiktok tinder tumblr twitch twitter whatsapp x youtube zoom
    """.split()
)
#: What may stand before the name of a place.
PART_OF_PLACE = frozenset(
    """
    downtown central northern southern eastern western upstate north south east west rural greater
    suburban
    """.split()
)
#: Places one says with "the".
THE_PLACES = frozenset(
    """
    us u.s. u.s usa uk u.k. united netherlands philippines bahamas maldives uae emirates czech
    dominican hague bronx bay algarve alps midwest south north east west pacific caribbean cotswolds
    highlands gambia congo isle seychelles canary azores balkans faroe basque states hamptons
    hebrides dolomites ardennes black lake peak
    """.split()
)
#: Words of a name that begin with a small letter.
SMALL_WORDS = frozenset(
    """
    of de da do das dos del della di du la le les el los las y and the upon am an der den im bei sur
    en area city downtown county valley region district province island village on &
    """.split()
)
