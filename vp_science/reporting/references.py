"""What to cite, in plain text: only what was used is printed."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

REFERENCES: Mapping[str, str] = MappingProxyType(
    {
        "vp_science": "The vp_science developers. vp_science: VideoPrism for scientists [software]. "
        "https://github.com/vp-science/vp-science",
        "videoprism": "Zhao, L., Gundavarapu, N. B., Yuan, L., Zhou, H., Yan, S., Sun, J. J., Friedman, L., Qian, R., "
        "Weyand, T., Zhao, Y., Hornung, R., Schroff, F., Yang, M.-H., Ross, D. A., Wang, H., Adam, H., Sirotenko, M., "
        "Liu, T., & Gong, B. (2024). VideoPrism: A foundational visual encoder for video understanding. Proceedings of "
        "the 41st International Conference on Machine Learning, PMLR 235, 60785-60811.",
        "jax": "Bradbury, J., Frostig, R., Hawkins, P., Johnson, M. J., Leary, C., Maclaurin, D., Necula, G., Paszke, "
        "A., VanderPlas, J., Wanderman-Milne, S., & Zhang, Q. (2018). JAX: composable transformations of Python+NumPy "
        "programs [software]. https://github.com/jax-ml/jax",
        "scikit-learn": "Pedregosa, F., Varoquaux, G., Gramfort, A., et al. (2011). Scikit-learn: Machine learning in "
        "Python. Journal of Machine Learning Research, 12, 2825-2830.",
        "prototypes": "Snell, J., Swersky, K., & Zemel, R. (2017). Prototypical networks for few-shot learning. "
        "Advances in Neural Information Processing Systems, 30.",
        "umap": "McInnes, L., Healy, J., & Melville, J. (2018). UMAP: Uniform manifold approximation and projection "
        "for dimension reduction. arXiv:1802.03426.",
        "tsne": "van der Maaten, L., & Hinton, G. (2008). Visualizing data using t-SNE. Journal of Machine Learning "
        "Research, 9, 2579-2605.",
        "pacmap": "Wang, Y., Huang, H., Rudin, C., & Shaposhnik, Y. (2021). Understanding how dimension reduction "
        "tools work: An empirical approach to deciphering t-SNE, UMAP, TriMap, and PaCMAP for data visualization. "
        "Journal of Machine Learning Research, 22(201), 1-73.",
        "hdbscan": "Campello, R. J. G. B., Moulavi, D., & Sander, J. (2013). Density-based clustering based on "
        "hierarchical density estimates. Advances in Knowledge Discovery and Data Mining (PAKDD), 160-172.",
        "stability": "Hennig, C. (2007). Cluster-wise assessment of cluster stability. Computational Statistics & Data "
        "Analysis, 52(1), 258-271.",
        "lora": "Hu, E. J., Shen, Y., Wallis, P., Allen-Zhu, Z., Li, Y., Wang, S., Wang, L., & Chen, W. (2022). LoRA: "
        "Low-rank adaptation of large language models. International Conference on Learning Representations.",
        "adamw": "Loshchilov, I., & Hutter, F. (2019). Decoupled weight decay regularization. International Conference "
        "on Learning Representations.",
        "adafactor": "Shazeer, N., & Stern, M. (2018). Adafactor: Adaptive learning rates with sublinear memory cost. "
        "Proceedings of the 35th International Conference on Machine Learning, PMLR 80, 4596-4604.",
        "sleap": "Pereira, T. D., Tabris, N., Matsliah, A., et al. (2022). SLEAP: A deep learning system for "
        "multi-animal pose tracking. Nature Methods, 19, 486-495.",
        "deeplabcut": "Mathis, A., Mamidanna, P., Cury, K. M., et al. (2018). DeepLabCut: markerless pose estimation "
        "of user-defined body parts with deep learning. Nature Neuroscience, 21, 1281-1289.",
    }
)


def cited(keys: Iterable[str]) -> list[str]:
    """References in the order of the table, each once; this software is always one of them."""
    wanted = {"vp_science", *keys}
    return [reference for key, reference in REFERENCES.items() if key in wanted]
