from plotbot.ask.servers.handshake import handshake_messages


def test_the_handshake_is_a_question_of_its_own_without_the_order_to_answer_in_json() -> None:
    assert handshake_messages() == [{"role": "user", "content": "Reply CONFIRM when you are ready."}]
