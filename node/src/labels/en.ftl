# Labels in English: the original, from which the other files were made.

# Kinds of publication
kind-law-summary = Law summary
kind-good-practice = Good practice
kind-request = Request
kind-reply = Reply
kind-synthesis = Synthesis
kind-training = Training programme
kind-body = Specialised body
kind-dialogue = Policy dialogue
kind-solution = Reusable solution
kind-action = Parliamentary action
kind-translation = Translation
kind-adoption = Adoption report
kind-correction = Correction
kind-withdrawal = Withdrawal

# Topics
topic-intl-cooperation = International cooperation
topic-digital-divide = Digital divide
topic-global-south-inclusion = Inclusion of the Global South
topic-legal-frameworks = Legal frameworks
topic-transparency-accountability = Transparency and accountability
topic-redress-liability = Redress and liability
topic-legislative-review = Review of legislation
topic-state-sovereignty = State sovereignty
topic-gender-based-violence = Gender-based violence
topic-women-in-stem = Women in science and technology
topic-bias-discrimination = Bias and discrimination
topic-deepfakes-intimate-images = Deepfakes and intimate images
topic-hate-speech-incitement = Hate speech and incitement
topic-content-provenance = Provenance of content
topic-privacy-data-protection = Privacy and data protection
topic-linguistic-cultural-diversity = Linguistic and cultural diversity
topic-debate-adaptive-policy = Debate and adaptive policy
topic-capacity-training = Capacity and training
topic-specialized-bodies = Specialised bodies
topic-policy-dialogue = Policy dialogue
topic-knowledge-platforms = Knowledge platforms
topic-parliament-own-use = Parliament's own use
topic-labour-market = Labour market
topic-public-awareness = Public awareness
topic-ai-literacy-education = AI literacy and education
topic-surveillance-biometrics = Surveillance and biometrics
topic-data-model-openness = Openness of data and models
topic-independent-research = Independent research
topic-sustainable-rd = Sustainable research and development
topic-corporate-disclosure = Corporate disclosure
topic-ai-cybersecurity = AI and cybersecurity
topic-multilateral-processes = Multilateral processes
topic-disinformation-elections = Disinformation and elections
topic-children = Children
topic-disability-inclusion = Inclusion of persons with disabilities
topic-big-tech-influence = Influence of large technology companies

# Legal statuses
status-announced = Announced
status-drafting = Being drafted
status-consultation = In consultation
status-introduced = Introduced
status-in-committee = In committee
status-passed-one-chamber = Passed by one chamber
status-passed = Passed
status-awaiting-assent = Awaiting assent
status-adopted-not-in-force = Adopted, not in force
status-in-force = In force
status-partially-in-force = Partially in force
status-suspended = Suspended
status-provisionally-applied = Provisionally applied
status-rejected = Rejected
status-vetoed = Vetoed
status-withdrawn = Withdrawn
status-lapsed = Lapsed
status-repealed = Repealed
status-superseded = Superseded
status-annulled = Annulled
status-expired = Expired

# How far a machine wrote something
assistance-none = No machine assistance
assistance-assisted-reviewed = Machine-assisted, reviewed by a person
assistance-generated-reviewed = Machine-generated, reviewed by a person
assistance-generated-unreviewed = Machine-generated, not reviewed
