from plotbot.ask.servers.handshake import handshake_messages


def test_the_handshake_is_the_prompt_file_and_a_question_of_its_own() -> None:
    assert handshake_messages("Be brief.") == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Reply CONFIRM when you are ready."},
    ]
